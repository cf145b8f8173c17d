"""Answers to the eval set that ships: ours, and a plain loop over Tunix's own sampler."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tunix.generate import sampler as tunix_sampler

from tests.bench import training
from tests.bench.measure import Line, seconds
from tunix_rt_nb import models, render, tasks, train
from tunix_rt_nb.dataset import evalset
from tunix_rt_nb.models import sampling
from tunix_rt_nb.models.tokenizer import Tokenizer
from tunix_rt_nb.render.encoding import encode_prompts
from tunix_rt_nb.render.packing import pack
from tunix_rt_nb.trace.chat import form

TRACES = dict.fromkeys(tasks.TASKS, 60)
LENGTH = 512
STEPS = 1200  # until it stops, after answers about as long as those of the set
BATCH = 80
ROOM = 256


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


def _trained(home: Path) -> tuple[models.Model, Tokenizer]:
    model, tokenizer = models.load(training.create(home, 0))
    rows, held_out = (
        pack(render.load(home / "rendered", side), LENGTH) for side in ("train", "eval")
    )
    train.fine_tune(model, rows, held_out, training.settings(STEPS, 2), home / "run")
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
