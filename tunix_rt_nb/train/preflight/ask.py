"""Preflight without a TPU: find out if a train step or generation fits on one, and how fast it is.

The compiler for TPUs (libtpu) runs on any Linux machine. It gets a separate process, because the
environment variables that configure it must be set before JAX is imported, and because it writes to
the terminal as it likes.
"""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

from tunix_rt_nb.common import InputError, one_line
from tunix_rt_nb.models import chips
from tunix_rt_nb.train.preflight import findings
from tunix_rt_nb.train.preflight.plan import Generation, Plan, Training

Told = Callable[[str], None]


class Fit(NamedTuple):
    """The memory and work that one program takes on one chip.

    Attributes:
      needed: all bytes that it needs, even if the chip has fewer.
      available: bytes that the chip has.
      parts: name -> bytes, the parts of `needed`, such as `weights` and `temporaries`.
      flops, bytes: the program's floating-point operations, and the bytes that it moves to and from
        memory; 0 if it does not fit, because the compiler does not finish then.
    """

    needed: int
    available: int
    parts: dict[str, int]
    flops: float = 0.0
    bytes: float = 0.0

    @property
    def fits(self) -> bool:
        """True if the chip has at least as many bytes as are needed."""
        return self.needed <= self.available


def train(plan: Training, told: Told = lambda line: None) -> findings.Training:
    """Compile the train step of a plan for its chips, and return the findings.

    Args:
      told: called with a line after each batch size that was compiled.

    Raises:
      InputError: the model is unknown or cannot be split over the chips, or the compiler (libtpu)
        is missing or fails.
    """
    found = _asked("train", plan, told)
    fit = Fit(**found.pop("fit"))
    answer: dict[str, Any] = {**_told(fit)}
    if fit.fits:
        answer |= {
            "flops": fit.flops * plan.config.accumulation,
            "bytes": fit.bytes * plan.config.accumulation,
            **_speed(fit, plan),
        }
    return cast("findings.Training", answer | found)


def _speed(fit: Fit, plan: Training) -> dict[str, float]:
    """Return `seconds` per step, `tokens_per_second` and `hours` of the run, by the roofline.

    Source: Williams et al. 2009, "Roofline: an insightful visual performance model".
    """
    config = plan.config
    seconds = roofline(fit, plan.topology) * config.accumulation
    tokens = config.batch_size * config.accumulation * plan.length * plan.fill
    return {
        "seconds": seconds,
        "tokens_per_second": tokens / seconds,
        "hours": seconds * config.steps / 3600,
    }


def generate(plan: Generation, told: Told = lambda line: None) -> findings.Generation:
    """Compile prefill and decode for a batch of prompts, and return the findings.

    Args:
      told: called with a line after each program.

    Raises:
      InputError: the model is unknown or cannot be split over the chips, or the compiler (libtpu)
        is missing or fails.
    """
    found = _asked("generate", plan, told)
    answer: dict[str, Any] = {"fits": len(found) == 2}
    for name, part in found.items():
        fit = Fit(**part)
        answer["fits"] &= fit.fits
        answer[name] = _told(fit)
        if fit.fits:
            answer[name]["seconds"] = roofline(fit, plan.topology)
    return cast("findings.Generation", answer)


def _told(fit: Fit) -> findings.Memory:
    return {
        "fits": fit.fits,
        "needed": fit.needed,
        "available": fit.available,
        "parts": fit.parts,
    }


def roofline(fit: Fit, topology: str) -> float:
    """Return a lower bound in seconds on a program's time, by the roofline model.

    It is the time of the arithmetic or of the memory traffic at the chip's peak speed, whichever is
    longer.
    """
    chip = chips.of(topology)
    return max(fit.flops / chip.flops, fit.bytes / chip.bandwidth)


def largest(
    needs: Callable[[int], int], available: int, empty: int, start: int, trials: int = 6
) -> tuple[int, bool]:
    """Find the largest count whose need is at most `available`, with few calls of `needs`.

    The need has to increase with the count. To guess the next count, draw a straight line through
    two computed needs, and take the count at which the line reaches `available`.

    Args:
      needs: computes the need of a count, such as the bytes that a batch of this size needs.
      available: the largest need that is allowed.
      empty: the need of count 0.
      start: the count to try first.
      trials: the most calls of `needs`.

    Returns:
      The count, and whether it is known that one more is too many.

    Example:
      >>> largest(lambda n: 10 + 3 * n, available=100, empty=10, start=4)
      (30, True)
    """
    known = {0: empty}
    low, high, at = 0, 0, start
    while len(known) <= trials:
        known[at] = needs(at)
        if known[at] <= available:
            low = at
        else:
            high = at
        if high == low + 1:
            return low, True
        at = _guess(known, available, low, high)
    return low, False


def _guess(known: dict[int, int], available: int, low: int, high: int) -> int:
    if high:
        first, second = low, high
    else:
        first, second = sorted(known)[-2:]
    slope = max((known[second] - known[first]) / (second - first), 1e-9)
    crossing = first + (available - known[first]) / slope
    most = high - 1 if high else 4 * low
    return int(min(max(crossing, low + 1), most))


def page(found: findings.Training | findings.Generation) -> str:
    """Format what `train` or `generate` returned as text."""
    return "\n".join(_of_generation(found) if "prefill" in found else _of_training(found))


def check(found: findings.Training | findings.Generation) -> str:
    """Return the text of `page`; raise `InputError` if the program does not fit."""
    if not found["fits"]:
        raise InputError(
            f"preflight: {one_line(page(found), 1_000)}; use fewer rows per batch,"
            " shorten the rows, set lora_rank (train adapters only), turn on remat or use the"
            " optimizer adafactor"
        )
    return page(found)


def _of_generation(found: findings.Generation) -> Iterator[str]:
    yield from (f"reading prompts: {line}" for line in memory(found["prefill"]))
    if "decode" in found:
        yield from (f"writing answers: {line}" for line in memory(found["decode"]))
    if found["fits"]:
        yield f"writing answers: at most {1 / found['decode']['seconds']:,.0f} tokens/s each"


def _of_training(found: findings.Training) -> Iterator[str]:
    yield from memory(found)
    if found["fits"]:
        yield f"  {'the loss alone':<14} {_size(found['loss'])}"
        yield (
            f"a step and chip: {found['flops'] / 1e12:.2f} TFLOP, {found['bytes'] / 1e9:.1f} GB"
            f" moved, at least {found['seconds']:.3f} s"
        )
        yield (
            f"at most {found['tokens_per_second']:,.0f} tokens/s;"
            f" the whole run takes at least {found['hours']:.2f} h"
        )
    if "largest_batch" in found:
        least = "" if found["certain"] else "at least "
        yield f"largest batch: {least}{found['largest_batch']} rows"


def memory(found: findings.Memory) -> Iterator[str]:
    """Yield lines that tell if a program fits, and how much memory each part of it needs."""
    verdict = "fits" if found["fits"] else "does not fit"
    yield f"{verdict}: needs {_size(found['needed'])} of {_size(found['available'])} a chip"
    for name, size in found["parts"].items():
        yield f"  {name:<14} {_size(size)}"


def _size(size: int) -> str:
    return f"{size / 2**30:.2f} GiB" if size >= 2**27 else f"{size / 2**20:.2f} MiB"


def _asked(what: str, plan: Plan, told: Told) -> dict[str, Any]:
    """Compile in another process, and return its answer.

    Args:
      what: `train` or `generate`, the function of `aot` that compiles.
      plan: the plan to compile.
      told: called with each progress line.
    """
    for name, extra in (("libtpu", "tpu"), ("tunix", "train")):
        if importlib.util.find_spec(name) is None:
            raise InputError(f"preflight: {name} is missing: pip install -e '.[{extra}]'")
    request = json.dumps({"what": what, "plan": plan.model_dump()})
    command = [sys.executable, "-W", "ignore", "-m", "tunix_rt_nb.train.preflight.aot"]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command,
            env=environment(plan.topology),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        assert process.stdin and process.stdout
        with contextlib.suppress(BrokenPipeError):  # it has ended already; the error below says why
            process.stdin.write(request)
            process.stdin.close()
        for line in process.stdout:
            answer = json.loads(line)
            if "told" in answer:
                told(answer["told"])
            elif "wrong" in answer:
                raise InputError(answer["wrong"])
            else:
                return answer
        errors.seek(0)
        lines = errors.read().strip().splitlines() or [
            "it was killed, perhaps because memory ran out"
        ]
        raise InputError(f"preflight: the compiler failed: {one_line(lines[-1])}")


def environment(topology: str) -> dict[str, str]:
    """Return environment variables with which libtpu compiles for the TPUs of a topology."""
    return {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        **chips.described(topology),
        "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # nothing runs, so many processes may compile at once
        "JAX_ENABLE_COMPILATION_CACHE": "false",  # a program compiled here cannot be read back
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "JAX_TRACEBACK_FILTERING": "off",  # then the last line of an error is its message
    }
