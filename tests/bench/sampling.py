"""Answers to the eval set that ships: ours, and a plain loop over Tunix's own sampler."""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tunix.generate import sampler as tunix_sampler

from tests.bench import training
from tests.bench.measure import Line, seconds
from tunix_rt_nb import evaluate, models, render, tasks, train
from tunix_rt_nb.dataset import evalset
from tunix_rt_nb.models import redrawing, sampling
from tunix_rt_nb.models.tokenizer import Tokenizer
from tunix_rt_nb.render.encoding import encode_prompts
from tunix_rt_nb.render.packing import pack
from tunix_rt_nb.trace import Generation, Trace
from tunix_rt_nb.trace.chat import form

TRACES = dict.fromkeys(tasks.TASKS, 60)
LENGTH = 512
STEPS = 1200  # until it stops, after answers about as long as those of the set
BATCH = 80
ROOM = 256
EARLY = 500  # steps after which a quickstart still answers many items wrong
CHECKED = 160  # items of each task that are answered with a check


class _Sampler(tunix_sampler.Sampler):
    """Tunix's, which is given the same ids as ours."""

    def tokenize(self, ids: Sequence[int]) -> np.ndarray:
        return np.asarray(ids, np.int32)


class _Adapter:
    """What the sampler asks of a tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.decode = tokenizer.decode
        self.bos_id, self.eos_id, self.pad_id = (
            lambda piece=piece: tokenizer.control(piece) for piece in ("<bos>", "<eos>", "<pad>")
        )

    def encode(self, text: str) -> list[int]:
        raise NotImplementedError("prompts come as ids")


def sample() -> Iterator[Line]:
    """Answers a second; the model is as small as the quickstart's and has seen all tasks a little."""
    with training.rendered(LENGTH, TRACES, ["easy", "medium", "hard"]) as home:
        model, tokenizer = _trained(home)
        items = evalset.read("core-v1")[::3]
        how = form("gemma")
        prompts = encode_prompts([(how, trace.prompt) for _, trace in items], tokenizer)
        stops = how.template.stops

        def ours() -> None:
            sampling.generate(model, tokenizer, prompts, stops, ROOM, BATCH)

        theirs = _plain(model, tokenizer, prompts, stops)
        ours()  # which compiles
        theirs()
        mine, peer = (len(prompts) / seconds(side) for side in (ours, theirs))
        yield Line(f"sample {len(prompts)} prompts", mine, "answers/s", peer, mine / peer)


def checked() -> Iterator[Line]:
    """Answers that are checked while they are written, by a quickstart stopped early.

    Right, wrong and tokens by task are those of plain answers, a majority vote and checked answers.
    The peer of a time is plain writing.
    """
    with training.quickstart(training.LENGTH) as home:
        model, tokenizer = _trained(home, EARLY, training.LENGTH)
        models.save(model, tokenizer, home / "early")
        rendered = render.read_manifest(home / "rendered")
        how = form(rendered["template"], rendered["style"], rendered["system"])
        items = [(trace.id, trace) for name in training.TRACES for trace in _fresh(name)]
        prompts = encode_prompts([(how, trace.prompt) for _, trace in items], tokenizer)
        given = model, tokenizer, prompts, how.template.stops, ROOM // 2
        plain = _per_token(lambda: sampling.generate(*given, BATCH))
        for name, find in evaluate.CHECKS.items():
            for task in training.TRACES:
                few = [item for item in items if item[1].task == task]
                yield from _trial(name, task, few, home, rendered)
            read = evaluate.Reader([trace for _, trace in items], how, find)
            ours = _per_token(partial(redrawing.generate, *given, read, BATCH))
            yield Line(f"checked by {name}", 1e6 * ours, "us/token", 1e6 * plain, plain / ours)


def _fresh(name: str) -> Iterator[Trace]:
    """Prompts of a task that no dataset of the benchmarks has."""
    return tasks.draw(name, CHECKED, seed=2**30)


def _trial(
    name: str, task: str, items: Sequence[tuple[str, Trace]], home: Path, rendered: render.Rendered
) -> Iterator[Line]:
    room: dict[str, Any] = {"max_new_tokens": ROOM // 2, "batch_size": BATCH}
    asked = home / "early", items, rendered
    plain = evaluate.predict(*asked, **room)
    kept = home / f"{name}-{task}"
    for row in evaluate.trial.try_checks(name, plain, *asked, kept, **room).rows:
        for what in ("right", "every step right", "wrong", "tokens"):
            yield Line(f"{name}, {task}, {row['answers']}", row[what], what)


def _per_token(write: Callable[[], Sequence[Generation]]) -> float:
    """Return the median CPU seconds of a token that is written, or written and taken back."""
    tokens = sum(len(one.ids) + one.redrawn for one in write())  # which compiles
    return seconds(write, clock=time.process_time) / tokens


def _trained(
    home: Path, steps: int = STEPS, length: int = LENGTH
) -> tuple[models.Model, Tokenizer]:
    model, tokenizer = models.load(training.create(home, 0))
    rows, held_out = (
        pack(render.load(home / "rendered", side), length) for side in ("train", "eval")
    )
    train.fine_tune(model, rows, held_out, training.settings(steps, 2), home / "run")
    return model, tokenizer


def _plain(
    model: models.Model,
    tokenizer: Tokenizer,
    prompts: Sequence[Sequence[int]],
    stops: Sequence[str],
) -> Callable[[], None]:
    longest = max(map(len, prompts))
    config = model.config
    cache = tunix_sampler.CacheConfig(
        longest + ROOM, config.num_layers, config.num_kv_heads, config.head_dim
    )
    sampler = _Sampler(model, _Adapter(tokenizer), cache)
    ends = [tokenizer.control(piece) for piece in stops]

    def answer_all() -> None:
        for start in range(0, len(prompts), BATCH):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                batch = list(prompts[start : start + BATCH])
                sampler(batch, ROOM, max_prompt_length=longest, eos_tokens=ends)

    return answer_all
