"""Runs the benchmarks: one line each, medians of repeated runs; ratio > 1 means ours is better."""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from tunix_rt_nb import evaluate, tasks
from tunix_rt_nb.chat import Chat, render, respond
from tunix_rt_nb.sampling import Generation
from tunix_rt_nb.store import TraceStore
from tunix_rt_nb.tokens import Tokenizer, encode, pack, train_tokenizer
from tunix_rt_nb.trace import Trace

SIZES = (1_000, 10_000)


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """The median time of some work."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return median(times)


def traces(n: int) -> list[Trace]:
    return list(tasks.draw("arithmetic", n, seed=0))


def generate() -> list[tuple[str, float, str]]:
    """Drawing traces, every step checked."""

    def draw(name: str, n: int) -> list[Trace]:
        return list(tasks.draw(name, n, seed=0))

    return [
        (f"generate {name} {n}", n / seconds(partial(draw, name, n)), "traces/s")
        for name in tasks.TASKS
        for n in SIZES
        if (space := tasks.get(name).space()) is None or n <= space
    ]


def add() -> list[tuple[str, float, str]]:
    """Adding traces to a new store: deduplicated, on disk."""

    def store(drawn: list[Trace]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            TraceStore(Path(folder)).add(drawn, "2026-01-01")

    return [(f"import {n}", n / seconds(partial(store, traces(n))), "traces/s") for n in SIZES]


def packing() -> list[tuple[str, float, str]]:
    """Encoding and packing rendered traces."""
    texts = [s.text for t in traces(500) for s in render(t).response if not s.control]
    tokenizer = Tokenizer(train_tokenizer(texts))

    def encode_and_pack(chats: list[Chat]) -> None:
        pack([encode(chat, tokenizer) for chat in chats], 256)

    chats = {n: [render(trace) for trace in traces(n)] for n in SIZES}
    return [
        (f"pack {n}", n / seconds(partial(encode_and_pack, chats[n])), "examples/s") for n in SIZES
    ]


def grade() -> list[tuple[str, float, str]]:
    """Grading answers with all their steps."""
    written = [(trace, Generation(respond(trace), 90, True)) for trace in traces(SIZES[0])]

    def grade_all() -> None:
        for trace, text in written:
            evaluate.grade("", trace, text)

    return [("grade", len(written) / seconds(grade_all), "answers/s")]


BENCHMARKS = {"generate": generate, "import": add, "pack": packing, "grade": grade}


def main(arguments: list[str]) -> None:
    names = [a for a in arguments if not a.startswith("-")] or list(BENCHMARKS)
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        sys.exit(f"bench: unknown {', '.join(unknown)}, expected {', '.join(BENCHMARKS)}")
    for name in names:
        for label, ours, unit in BENCHMARKS[name]():
            line = {
                "name": label,
                "ours": round(ours, 1),
                "peer": None,
                "ratio": None,
                "unit": unit,
            }
            told = (
                json.dumps(line) if "--json" in arguments else f"{label:<32}{ours:>12,.0f} {unit}"
            )
            print(told, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
