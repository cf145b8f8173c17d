"""The memory of the processes that train: what they have freed stays with them."""

import os

_MALLOC = {  # glibc's; other C libraries do not look at it
    "MALLOC_ARENA_MAX": "1",  # one for all threads, as only the first one can be large
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
}


def keep_freed() -> None:
    """What processes free that are started from here stays with them.

    A step of training on a processor takes and frees hundreds of megabytes. The C library would
    give them back to the system each time, and get them again page by page, filled with zeros: of a
    step of Gemma 3 270M that is a sixth. It reads this when a process starts, so a notebook that
    runs already cannot be helped. What is set already stays as it is.

    Source: mallopt(3).
    """
    for name, value in _MALLOC.items():
        os.environ.setdefault(name, value)
