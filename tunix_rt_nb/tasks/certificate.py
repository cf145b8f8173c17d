"""The certificate of a task: tests that every task must pass, run on traces that it draws.

A task states, solves, checks and grades its own problems. So nothing else would reveal a mistake in
the task, such as a checker that accepts everything. These tests reveal it before a model is trained
on the traces.
"""

import math
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tunix_rt_nb.common import one_line
from tunix_rt_nb.tasks.checks import problems
from tunix_rt_nb.tasks.registry import get
from tunix_rt_nb.tasks.sample import Sample, alter, digest, drawn, prompts
from tunix_rt_nb.tasks.sums.equations import claims
from tunix_rt_nb.tasks.task import DIFFICULTIES, GRAINS
from tunix_rt_nb.trace import Trace

CAUGHT = 0.99  # the least share of altered steps that a checker must find wrong
TWINS = 0.1  # the largest share of problems that may have the same solution as another
ALIKE = 0.1  # the largest share of altered answers that may be right all the same
HOSTILE = (  # wrong as an answer to any problem, and no prompt of any task
    *("", "?", "1" * 5000, "9**9**9", "١٢", "½", "nan", "1e400", "0/0", "yes or no"),
    *("win or lose", "[" * 9999, "a" * 100_000, "__import__('os')", "\x00", "<end_of_turn>"),
    *("-0", "None"),
)
EVEN = 0.8  # the least ratio of distinct problems found to those that uniform draws find
_PROBLEMS = 120  # drawn at each difficulty, to count and compare them
_SECONDS = 5.0  # time limit for all hostile answers or prompts, which take far less
_WORD = re.compile(r"[^\W\d_]+")


class Finding(NamedTuple):
    """One line of the certificate.

    Attributes:
      check: the name of the test.
      holds: whether the task passed it.
      told: figures of the test, or what failed.
    """

    check: str
    holds: bool
    told: str


def certify(name: str, n: int = 30, seed: int = 0) -> Iterator[Finding]:
    """Run all tests on a task, and yield a finding for each.

    If drawing the traces fails, no test runs, and the only finding says so.

    Args:
      name: the name of the task.
      n: the number of traces to draw at each difficulty and grain (size of the steps). No two of
        them have the same problem; if fewer problems are found, there are fewer traces.
      seed: decides which problems are drawn.

    Raises:
      InputError: the task is unknown.

    Example:
      >>> next(certify("arithmetic", n=5)).holds
      True
    """
    get(name)
    started = time.perf_counter()
    try:
        sample = drawn(name, n, seed)
    except Exception as error:  # whatever a task raises is its own fault
        yield Finding("drawn and read back", False, _why(error))
        return
    pace = len(sample.traces) / (time.perf_counter() - started)
    yield Finding("drawn and read back", True, f"{_sizes(sample.traces)}, {pace:,.0f} a second")
    for title, find in CHECKS.items():
        try:
            holds, told = find(sample)
        except Exception as error:
            holds, told = False, _why(error)
        yield Finding(title, holds, told)


def _sizes(traces: Sequence[Trace]) -> str:
    prompt = max(len(trace.prompt) for trace in traces)
    steps = [len(trace.steps) for trace in traces]
    step = max(len(step.content) for trace in traces for step in trace.steps)
    return (
        f"{len(traces)} traces, prompts of up to {prompt} characters,"
        f" {min(steps)} to {max(steps)} steps of up to {step}"
    )


def _same_bytes(sample: Sample) -> tuple[bool, str]:
    """Test that a task always draws the same traces from one seed.

    The traces are drawn twice in this process and once in each of two new processes. In each new
    process, Python's hashes have another seed, which must not change the traces.

    Returns:
      Whether the task passes, and a text: figures of the test, or what failed.
    """
    code = "import sys; from tunix_rt_nb.tasks import sample; "
    code += "print(sample.digest(sys.argv[1]))"
    found = [digest(sample.name), digest(sample.name)]
    for hashes in ("1", "31337"):
        ended = subprocess.run(
            [sys.executable, "-c", code, sample.name],
            env={**os.environ, "PYTHONHASHSEED": hashes},
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            return False, one_line(ended.stderr.strip().splitlines()[-1], 300)
        found.append(ended.stdout.strip())
    ways = len(set(found))
    told = "the same" if ways == 1 else f"{ways} different ones"
    return ways == 1, f"4 draws from a seed, in 3 processes, are {told}"


def _accepted(sample: Sample) -> tuple[bool, str]:
    for trace in sample.traces:
        if wrong := problems(trace):
            return False, one_line(f"{trace.prompt!r}: {wrong[0]}", 300)
    amended = sum(bool((trace.meta or {}).get("mistakes")) for trace in sample.traces)
    steps = sum(len(trace.steps) for trace in sample.traces)
    return (
        True,
        f"{steps:,} steps of {len(sample.traces)} traces, {amended} with a repaired mistake",
    )


def _sums(sample: Sample) -> tuple[bool, str]:
    right = 0
    for trace in sample.plain:
        for step in trace.steps:
            for claim in claims(step.content):
                right += claim.right is True
                if claim.right is False:
                    return False, one_line(f"{claim.why}: {step.content!r}", 300)
    return True, f"{right:,} sums that steps state are right, none is wrong"


def _altered(sample: Sample) -> tuple[bool, str]:
    rng = random.Random(0)
    task = get(sample.name)
    altered, missed = 0, []
    for trace in sample.plain:
        words = sorted({w for s in trace.steps for w in _WORD.findall(s.content)})
        for step in trace.steps:
            text = alter(step.content, words, rng)
            altered += 1
            if task.check_step(_replaced(trace, step.i, text), step.i) is None:
                missed.append(text)
    share = 1 - len(missed) / altered
    told = f"{altered - len(missed):,} of {altered:,} ({share:.1%}, expected {CAUGHT:.0%})"
    return share >= CAUGHT, f"{told}, not {one_line(missed[0], 80)!r}" if missed else told


def _out_of_order(sample: Sample) -> tuple[bool, str]:
    tried = 0
    for trace in sample.plain:
        steps = [(step.type, step.content) for step in trace.steps]
        turned = [steps[::-1]] if steps[0][1] != steps[-1][1] else []
        for how in ([*steps, steps[-1]], steps[:-1], *turned):
            tried += 1
            if not problems(Trace.of(trace.prompt, how, trace.final_answer, trace.meta)):
                return False, one_line(f"accepts {[text for _, text in how]} as whole", 300)
    return True, f"{tried} traces with a step too many, too few or out of order"


def _right_answers(sample: Sample) -> tuple[bool, str]:
    for trace in sample.traces:
        for answer in (trace.final_answer, f" {trace.final_answer}\n"):
            score = get(sample.name).grade(answer, trace)
            if score != 1.0:
                return False, one_line(f"{answer!r} scores {score}: {trace.prompt!r}", 300)
    return True, f"{len(sample.traces)} answers score 1.0, with spaces around them too"


def _wrong_answers(sample: Sample) -> tuple[bool, str]:
    task, rng, tried, passed = get(sample.name), random.Random(0), 0, 0
    answers = sorted({trace.final_answer for trace in sample.traces})
    words = sorted({word for answer in answers for word in _WORD.findall(answer)})
    chosen = sample.traces[:: max(1, len(sample.traces) // 24)]
    started = time.perf_counter()
    for trace in chosen:
        right = trace.final_answer
        several = [f"{right} or {other}" for other in answers[:5] if other != right]
        for answer in (*HOSTILE, *several):
            tried += 1
            if answer != right and (score := task.grade(answer, trace)) > 0.0:
                return False, one_line(f"{answer[:80]!r} scores {score}: {trace.prompt!r}", 300)
        # An altered answer may be right all the same, such as 0/53 instead of 0/52.
        passed += task.grade(alter(right, words, rng), trace) > 0.0
    took = time.perf_counter() - started
    told = (
        f"{tried} score 0.0, in {took:.1f} s; {len(chosen) - passed} of {len(chosen)} altered ones"
    )
    return took < _SECONDS and passed <= ALIKE * len(chosen), told


def _other_prompts(sample: Sample) -> tuple[bool, str]:
    task, own = get(sample.name), sample.traces[0].prompt
    others = [drawn(name, 1).traces[0].prompt for name in _OTHERS if name != sample.name]
    near = [f"{own}!", own[1:], own.replace(" ", "  ", 1)]
    started = time.perf_counter()
    for prompt in (*HOSTILE, *others, *near):
        try:
            task.read(prompt)
        except ValueError:
            continue
        return False, f"reads {prompt[:80]!r}, expected a ValueError"
    took = time.perf_counter() - started
    tried = len(HOSTILE) + len(others) + len(near)
    return took < _SECONDS, f"{tried} raise a ValueError, in {took:.1f} s"


_OTHERS = ("arithmetic", "aiw", "spades_trick")


def _disguises(sample: Sample) -> tuple[bool, str]:
    """Look for problems that count as different although their solutions are the same.

    Two problems are different if the task's `read` returns different values for them. One could
    then be used for training and the other for evaluation. At most the share `TWINS` of the
    problems may have the solution of another problem.

    Returns:
      Whether the task passes, and a text: figures of the test, or what failed.
    """
    solved: Counter[str] = Counter()
    for level in DIFFICULTIES:
        task = get(sample.name, level)
        rng = random.Random(f"disguises:{sample.name}:{level}")
        for prompt in prompts(task, _PROBLEMS, rng):
            problem = task.problem(prompt)
            solved[repr([task.solution(problem, grain) for grain in GRAINS])] += 1
    twins, total = sum(solved.values()) - len(solved), sum(solved.values())
    told = f"{twins} of {total} have the steps of another ({twins / total:.1%}"
    return twins <= TWINS * total, f"{told}, expected {TWINS:.0%} at most)"


def _space(sample: Sample) -> tuple[bool, str]:
    """Test the number of distinct problems that the task claims to have, its `space`.

    The test makes `_PROBLEMS` draws and counts the distinct problems in them. There must be no more
    than `space`. There must also be enough: more than `EVEN` times the number to expect if all
    problems are equally likely.

    Returns:
      Whether the task passes, and a text: figures of the test, or what failed.
    """
    told, plausible = [], []
    for level in DIFFICULTIES:
        task, rng = get(sample.name, level), random.Random(f"space:{sample.name}:{level}")
        space = task.space()
        found = len({task.read(task.prompt(rng)) for _ in range(_PROBLEMS)})
        even = _PROBLEMS if space is None else -space * math.expm1(-_PROBLEMS / space)
        plausible.append(found <= (space or found) and found > EVEN * even)
        told.append(f"{level} {'countless' if space is None else f'{space:,}'}")
        if not plausible[-1]:
            told[-1] += f", but {_PROBLEMS} draws find {found}"
    return all(plausible), "; ".join(told)


def _replaced(trace: Trace, i: int, text: str) -> Trace:
    steps = [(step.type, text if step.i == i else step.content) for step in trace.steps]
    return Trace.of(trace.prompt, steps, trace.final_answer, trace.meta)


def _why(error: Exception) -> str:
    return one_line(f"{type(error).__name__}: {error}", 300)


# Each function returns whether the task passes, and figures of the test or what failed.
CHECKS: dict[str, Callable[[Sample], tuple[bool, str]]] = {
    "same bytes": _same_bytes,
    "steps accepted": _accepted,
    "sums": _sums,
    "altered steps caught": _altered,
    "steps in order": _out_of_order,
    "right answers": _right_answers,
    "wrong answers": _wrong_answers,
    "other prompts": _other_prompts,
    "no twins": _disguises,
    "space": _space,
}
