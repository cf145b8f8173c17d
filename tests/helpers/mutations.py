"""Damaged copies of a file, the same ones in every run, and what a reader makes of them."""

import os
import random
import re
import resource
import time
from collections.abc import Callable, Iterator

from tunix_rt_nb.common.errors import InputError

LEAST = int(os.environ.get("TUNIX_RT_FUZZ", "0"))  # copies of each file; `make long` sets it
SECONDS, BYTES = 2.0, 500e6  # what reading one damaged file may take
HEAD = 2048  # bytes at the start of a file, where formats keep their counts and lengths
_LENGTHS = [0, 1, 1 << 31, (1 << 31) - 1, (1 << 32) - 1, 1 << 62, (1 << 63) - 1, (1 << 64) - 1]
_BYTES = [b"\x00", b"\xff", b"\x7f", b"\x80", b"\n", b'"', b"\xed\xa0\x80", b"\xff" * 9 + b"\x01"]
_OPENINGS = [b"[", b"{", b'{"a":', b"- ", b"(", b"\x0a"]
_NUMBERS = [b"0", b"-1", b"1e999", b"NaN", b"9" * 20, b"9" * 5000, b"1000000000", b"null", b'"x"']


def mutations(seed: bytes, n: int) -> Iterator[bytes]:
    """Yields damaged copies of a file, by turns in each of the ways below.

    Half of the damage is near the start. The copies depend only on the seed and their number.
    """
    draw = random.Random(0)
    for number in range(n):
        data = bytearray(seed)
        for _ in range(draw.choice([1, 1, 1, 2, 5])):
            _WAYS[number % len(_WAYS)](data, draw)
        yield bytes(data)


def endure(read: Callable[[bytes], object], seed: bytes, n: int) -> int:
    """Read an eighth of `n` damaged copies; `n` or LEAST, whichever is more, if LEAST is set.

    Each is read or refused in a line, soon and in little memory. Returns how many were read.
    """
    whole = 0
    for number, data in enumerate(mutations(seed, max(n, LEAST) if LEAST else n // 8)):
        start, before = _now(), _peak()
        try:
            read(data)
            whole += 1
        except InputError as error:
            assert len(str(error)) < 2000 and str(error).isprintable(), (number, str(error))
        except BaseException as error:
            error.add_note(f"mutation {number}: {data[:500]!r}")
            raise
        took, grown = min(b - a for a, b in zip(start, _now(), strict=True)), _peak() - before
        assert took < SECONDS, f"mutation {number} took {took:.1f} s: {data[:500]!r}"
        assert grown < BYTES, f"mutation {number} took {grown / 1e6:.0f} MB: {data[:500]!r}"
    return whole


def _now() -> tuple[float, float]:
    """Seconds by the clock and by the processor: a busy machine takes more of the first only."""
    return time.monotonic(), time.process_time()


def _peak() -> float:
    """The most bytes of memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def _place(data: bytearray, draw: random.Random) -> int:
    return draw.randrange(max(1, min(len(data), draw.choice([HEAD, len(data)]))))


def _span(data: bytearray, draw: random.Random) -> slice:
    start = _place(data, draw)
    return slice(start, start + draw.choice([1, 4, 8, 30, 300, 3000]))


def _flip(data: bytearray, draw: random.Random) -> None:
    if data:
        data[_place(data, draw)] ^= 1 << draw.randrange(8)


def _cut(data: bytearray, draw: random.Random) -> None:
    del data[_place(data, draw) :]


def _length(data: bytearray, draw: random.Random) -> None:
    """Writes a huge number, as four or eight bytes, where a length may be."""
    at, size = _place(data, draw), draw.choice([4, 8])
    number = draw.choice(_LENGTHS) % (1 << 8 * size)
    data[at : at + size] = number.to_bytes(size, draw.choice(["little", "little", "big"]))


def _number(data: bytearray, draw: random.Random) -> None:
    """Replaces digits, as in JSON, by a number that is not expected; else one byte by odd ones."""
    found = [match.span() for match in re.finditer(rb"-?\d[\d.]*", data[: HEAD * 8])]
    start, end = draw.choice(found or [(_place(data, draw),) * 2])
    data[start:end] = draw.choice(_NUMBERS)


def _odd(data: bytearray, draw: random.Random) -> None:
    at = _place(data, draw)
    data[at : at + draw.choice([0, 1])] = draw.choice(_BYTES)


def _deep(data: bytearray, draw: random.Random) -> None:
    at = _place(data, draw)
    data[at:at] = draw.choice(_OPENINGS) * draw.choice([1, 50, 990, 5000, 100_000])


def _twice(data: bytearray, draw: random.Random) -> None:
    chunk, at = data[_span(data, draw)], _place(data, draw)
    data[at:at] = chunk * draw.choice([1, 1, 1, 9])


def _lose(data: bytearray, draw: random.Random) -> None:
    del data[_span(data, draw)]


def _move(data: bytearray, draw: random.Random) -> None:
    span = _span(data, draw)
    chunk = data[span]
    del data[span]
    at = _place(data, draw)
    data[at:at] = chunk


def _blank(data: bytearray, draw: random.Random) -> None:
    span = _span(data, draw)
    data[span] = draw.choice([b"\x00", b"\xff", b" "]) * len(data[span])


_WAYS = [_flip, _cut, _length, _number, _odd, _deep, _twice, _lose, _move, _blank]
