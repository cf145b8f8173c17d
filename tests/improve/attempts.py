"""Attempts at one sum, written by hand and graded by its task."""

import random
from functools import cache
from typing import Any

from tunix_rt_nb import evaluate, models, render, tasks
from tunix_rt_nb.improve.attempts import Attempt
from tunix_rt_nb.improve.prompts import Asked
from tunix_rt_nb.trace import Generation, Trace, form, respond

PROMPT = "What is 17 + 20 - 36?"
TRACE = tasks.get("arithmetic").write(PROMPT, random.Random(0))
LINES = (
    *("Units: 7+0=7.", "Tens: 1+2=3, so 17+20=37."),
    *("Units: 7-6=1.", "Tens: 3-3=0, so 37-36=1."),
)
WRONG = tuple(line.replace("=", "=9") for line in LINES)


def rendered(style: str = "numbered") -> Any:
    names = {"template": "gemma", "style": style, "system": ""}
    return {**names, "form_sha256": form("gemma", style).sha256, "max_length": 192, "files": {}}


def response(wrong: int = 0, answer: str = "1", style: str = "numbered", steps: int = 4) -> str:
    """A response to the prompt whose step of this number is wrong; none if it is 0."""
    lines = [WRONG[k] if k + 1 == wrong else LINES[k] for k in range(steps)]
    return respond(Trace.of(PROMPT, [("model", line) for line in lines], answer), style)


@cache
def tokenizer() -> models.Tokenizer:
    texts = [
        respond(t, s) for t in tasks.draw("arithmetic", 90, seed=0) for s in ("numbered", "tags")
    ]
    return models.Tokenizer(models.train_tokenizer(texts, 400))


def attempt(
    text: str,
    number: int = 0,
    stopped: bool = True,
    style: str = "numbered",
    trace: Trace = TRACE,
    sample: int = 0,
) -> Attempt:
    """An attempt that says this text, graded."""
    asked = Asked(f"sum-{number}", "arithmetic easy", trace)
    how = rendered(style)
    [prompt] = render.encode_prompts([(form("gemma", style), trace.prompt)], tokenizer())
    end = [tokenizer().control("<end_of_turn>")] if stopped else []
    said = (*tokenizer().literal(text), *end)
    written = Generation(text, len(said) - stopped, stopped, said)
    [graded] = evaluate.predictions_of([(asked.name, trace)], [written], how, 90, 1.0)
    line: Any = {**graded, "sample": sample, "ids": list(said)}
    return Attempt(asked, number, tuple(prompt), said, line)
