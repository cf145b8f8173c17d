"""Traces that a model wrote itself, and that held: kept in a store like any others."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tunix_rt_nb.improve.attempts import Attempt
from tunix_rt_nb.improve.credit import is_right
from tunix_rt_nb.store import Added, TraceStore
from tunix_rt_nb.trace import EARLIER, Trace

SOURCE = "improved"  # `meta.source` of these traces


def keep_right(folder: Path, run: str, rounds: Iterable[list[Attempt]], created_at: str) -> Added:
    """Add the attempts that are right, in every step, to a store; the first of equal ones counts.

    Args:
      folder: the folder of the store.
      run: the name of the run.
      rounds: the attempts of each round, in order.
      created_at: the time to store with every trace, ISO 8601.
    """
    return TraceStore(folder).add(_traces(run, rounds), created_at)


def _traces(run: str, rounds: Iterable[list[Attempt]]) -> Iterator[Trace]:
    """Yield a trace for each right attempt; its `meta` says where it comes from."""
    seen = set()
    for number, attempts in enumerate(rounds, 1):
        for one in attempts:
            said = one.graded["response"]
            if is_right(one, "gated") and (one.asked.name, said) not in seen:
                seen.add((one.asked.name, said))
                yield _trace(one, {"run": run, "round": number, "sample": one.graded["sample"]})


def _trace(one: Attempt, place: dict[str, object]) -> Trace:
    meta = one.asked.trace.meta or {}
    told: dict[str, Any] = {
        name: meta[name] for name in ("task", "difficulty", "category", EARLIER) if name in meta
    }
    steps = [("model", step) for step in one.parsed.steps]
    answer = one.parsed.answer or one.asked.trace.final_answer
    source = {"source": SOURCE, **place, "prompt_id": one.asked.name}
    return Trace.of(one.asked.trace.prompt, steps, answer, {**told, **source})
