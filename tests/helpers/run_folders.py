"""Run folders as the notebooks leave them, but made in no time: no model is trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.conftest import some
from tunix_rt_nb import runs
from tunix_rt_nb.common import files
from tunix_rt_nb.evaluate.grade import grade
from tunix_rt_nb.evaluate.scorecard import sum_up
from tunix_rt_nb.trace.chat import form
from tunix_rt_nb.trace.response import Generation, respond
from tunix_rt_nb.trace.trace import Trace

TRACES = some("arithmetic", 6, seed=3) + some("high_card_duel", 6, seed=3)


def right(trace: Trace) -> str:
    return respond(trace)


def wrong(trace: Trace) -> str:
    """A right first step, then a wrong one and a wrong answer."""
    return f"Reasoning:\n1. {trace.steps[0].content}\n2. I guess.\nAnswer: 4096"


def predictions(texts: Sequence[str], traces: Sequence[Trace] = TRACES, **how: str) -> list[Any]:
    template, style = how.get("template", "gemma"), how.get("style", "numbered")
    sha256 = form(template, style, how.get("system", "")).sha256
    asked = {"template": template, "style": style, "form_sha256": sha256}
    return [
        {**grade(trace.id, trace, Generation(text, len(text) // 3, True), style), **asked}
        for trace, text in zip(traces, texts, strict=True)
    ]


def finished(run: Path, step: str, contents: Any, **told: Any) -> Path:
    """A complete step with these files: name -> bytes, records or a value."""
    before = {name: run / runs.stem(name) for name in runs.STEPS[: runs.STEPS.index(step)]}
    stop = runs.take(step, run, before)
    for name, content in contents.items():
        path = stop.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, list):
            files.write_lines(path, content)
        else:
            files.write_json(path, content)
    stop.finish(told)
    return stop.folder


def trained(home: Path, name: str = "one", seed: int = 0, **how: str) -> Path:
    """A run up to its training."""
    run = home / "runs" / name
    asked = form(**how)
    names = {"template": "gemma", "style": "numbered", "system": "", **how}
    finished(run, "generate", {"traces/x.jsonl": b"traces"}, traces=12)
    finished(run, "build", {"sums-v1/manifest.json": {}}, dataset="sums-v1")
    rendered = {"dataset_key": "sums-v1", "dataset_sha256": "ab", "form_sha256": asked.sha256}
    finished(run, "render", {"manifest.json": {**rendered, **names}}, rows=3)
    model = {"model/config.json": {"hidden_size": 8}, "model/model.safetensors": bytes([seed]) * 99}
    card = {"base": "tiny", "training": {"steps": 8}}
    finished(
        run,
        "train",
        {**model, "model/README.md": b"# card"},
        steps=8,
        loss=0.44,
        eval_loss=0.5,
        card=card,
    )
    parameters = {"train": {"MODEL": "tiny", "STEPS": 8, "SEED": seed}}
    files.write_json(run / "run.json", {"format": 1, "run_id": name, "parameters": parameters})
    return run


def evaluated(
    home: Path,
    name: str = "one",
    n_right: int = 9,
    seed: int = 0,
    traces: Sequence[Trace] = TRACES,
    **how: str,
) -> Path:
    """A whole run, so many of whose items are right."""
    run = trained(home, name, seed, **how)
    texts = [right(t) if n < n_right else wrong(t) for n, t in enumerate(traces)]
    empty = [""] * len(traces)
    complete(run, predictions(texts, traces, **how), predictions(empty, traces, **how))
    return run


def complete(
    run: Path,
    after: list[Any],
    before: list[Any],
    skipped: dict[str, int] | None = None,
) -> None:
    """Completes the evaluation with these predictions."""
    finished(
        run,
        "evaluate",
        {"predictions-before.jsonl": before, "predictions-after.jsonl": after},
        before=sum_up(before, skipped),
        after=sum_up(after, skipped),
    )
