"""The findings of preflight about a program, to be printed as text or as JSON."""

from typing import NotRequired, TypedDict, final


class Memory(TypedDict):
    """The memory that a program needs on one chip, and whether it fits.

    Attributes:
      fits: True if the chip has at least as many bytes as are needed.
      needed: all bytes that the program needs.
      available: bytes that the chip has.
      parts: name -> bytes, the parts of `needed`, such as `weights` and `temporaries`.
      seconds: a lower bound on the time of one run of the program. A program is a train step, the
        prefill of all prompts, or a decoding step of one token for every prompt. Missing unless
        the program fits.
    """

    fits: bool
    needed: int
    available: int
    parts: dict[str, int]
    seconds: NotRequired[float]


@final
class Training(Memory):
    """The findings about a train step.

    If the step does not fit, the first five fields, from `flops` to `loss`, are missing.

    Attributes:
      flops, bytes: floating-point operations, and bytes moved to and from memory, per step and
        chip.
      tokens_per_second: an upper bound on the speed.
      hours: a lower bound on the time of the whole run.
      loss: bytes per chip that the loss alone takes besides its arguments.
      largest_batch: rows of the largest batch that is known to fit; only if the plan searches.
      certain: True if a larger batch is known not to fit; only if the plan searches.
    """

    flops: NotRequired[float]
    bytes: NotRequired[float]
    tokens_per_second: NotRequired[float]
    hours: NotRequired[float]
    loss: NotRequired[int]
    largest_batch: NotRequired[int]
    certain: NotRequired[bool]


@final
class Generation(TypedDict):
    """The findings about generation.

    `fits` is True if both prefill and decode fit. `decode` is missing if prefill does not fit.
    """

    fits: bool
    prefill: Memory
    decode: NotRequired[Memory]


@final
class Rounds(Memory):
    """The findings about rounds in which a model answers and learns.

    `parts` has what stays on a chip while the model answers, beside what answering needs. If the
    rounds do not fit, the other fields are missing.

    Attributes:
      answering, learning: lower bounds on the seconds of a round in which the model answers, and in
        which it is trained.
      hours: a lower bound on the time of all rounds.
    """

    answering: NotRequired[float]
    learning: NotRequired[float]
    hours: NotRequired[float]
