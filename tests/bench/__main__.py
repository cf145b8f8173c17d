"""Runs the benchmarks: one line a figure, medians of repeated runs."""

import json
import sys
from collections.abc import Iterator

from tests.bench import large, pipeline, rendering, sampling, start, tpu, traces, training
from tests.bench.measure import Line, seconds
from tunix_rt_nb.evaluate.grade import grade as grade_one
from tunix_rt_nb.trace.response import Generation, respond


def grade() -> Iterator[Line]:
    """Grading answers with all their steps."""
    drawn = traces.every_task(3_000)
    written = [(trace, Generation(respond(trace), 90, True)) for trace in drawn]

    def grade_all() -> None:
        for trace, text in written:
            grade_one("", trace, text)

    yield Line("grade", len(written) / seconds(grade_all), "answers/s")


BENCHMARKS = {
    "generate": traces.generate,
    "mix": traces.mix,
    "import": traces.add,
    "list": traces.listing,
    "verify": traces.verify,
    "pipeline": pipeline.pipeline,
    "pack": rendering.packing,
    "grade": grade,
    "sample": sampling.sample,
    "checked": sampling.checked,
    "train_tiny": training.train_tiny,
    "train_270m": large.train_270m,
    "memory_270m": large.memory_270m,
    "train_table": training.train_table,
    "tpu_hbm": tpu.tpu_hbm,
    "tpu_flops": tpu.tpu_flops,
    "tpu_cpu": tpu.tpu_cpu,
    "start": start.start,
}


def main(arguments: list[str]) -> None:
    names = [a for a in arguments if not a.startswith("-")] or list(BENCHMARKS)
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        sys.exit(f"bench: unknown {', '.join(unknown)}, expected {', '.join(BENCHMARKS)}")
    for name in names:
        for line in BENCHMARKS[name]():
            print(json.dumps(line._asdict()) if "--json" in arguments else _text(line), flush=True)


def _text(line: Line) -> str:
    digits = 4 if line.ours < 1 else 2 if line.ours < 100 else 0
    text = f"{line.name:<34}{line.ours:>12,.{digits}f} {line.unit}"
    if line.peer is None:
        return text
    return f"{text}, peer {line.peer:,.{digits}f}: {line.ratio:.2f} times as good"


if __name__ == "__main__":
    main(sys.argv[1:])
