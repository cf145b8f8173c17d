"""Generation, on a model that compiles in seconds."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from tunix.models.gemma3 import model as gemma3

from tests.helpers.gemma import shallow
from tests.train.test_sft import DRAWN, TOKENIZER, logits, sft_rows
from tunix_rt_nb import models
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.evaluate.predictor import _answer
from tunix_rt_nb.models import answers, drawing, sampling, shapes
from tunix_rt_nb.render.encoding import encode_prompts
from tunix_rt_nb.render.examples import Example
from tunix_rt_nb.trace import response
from tunix_rt_nb.trace.chat import form

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

GEMMA = form("gemma").template
PROMPTS = encode_prompts([(form("gemma"), trace.prompt) for trace in DRAWN], TOKENIZER)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shallow(tmp_path_factory.mktemp("model"), TOKENIZER)


@pytest.fixture
def model(folder: Path) -> gemma3.Gemma3:
    return models.load(folder)[0]


def test_sampling_is_the_greedy_choice_of_the_full_model(model: gemma3.Gemma3) -> None:
    gemma = form("gemma").template
    prompts = encode_prompts([(form("gemma"), trace.prompt) for trace in DRAWN[:5]], TOKENIZER)
    written = sampling.generate(model, TOKENIZER, prompts, gemma.stops, 6, batch_size=4)
    for prompt, generation in zip(prompts, written, strict=True):
        ids = list(prompt)
        for _ in range(generation.tokens):
            example = Example("x", tuple(ids), len(ids))
            ids.append(int(logits(model, sft_rows(example))[0, len(ids) - 1].argmax()))
        assert TOKENIZER.decode(ids[len(prompt) :]) == generation.text
        assert generation.ids[: generation.tokens] == tuple(ids[len(prompt) :])
        assert len(generation.ids) == generation.tokens + generation.stopped


def whole_answers(
    model: gemma3.Gemma3, ends: list[int], n: int = 30, rows: int = 32, most: int = 24
) -> list[list[int]]:
    """The tokens of answers that end with any of `ends`."""

    def look(number: int, ids: np.ndarray, stopped: bool) -> sampling.Look:
        done = stopped or len(ids) == most
        return sampling.Look(
            len(ids), 0.0, sampling.generation(ids, stopped, TOKENIZER) if done else None
        )

    order = sampling.Order(PROMPTS[:n], np.array(ends, int), most, rows, 0, 0.0, look, 10**6)
    return [list(one.ids) for one in sampling.fulfil(model, order, {}, lambda written: None)]


def lively(model: gemma3.Gemma3) -> None:
    """Change a new model so that it does not repeat one token for ever."""
    for layer in model.layers:
        layer.post_ffw_norm.scale.value = jnp.full_like(layer.post_ffw_norm.scale.value, 9.0)


def test_an_answer_ends_where_its_stop_token_comes_first_whatever_the_others_do(
    model: gemma3.Gemma3,
) -> None:
    lively(model)
    whole = whole_answers(model, [])
    assert {len(tokens) for tokens in whole} == {24}
    ends = sorted({tokens[k] for k, tokens in zip(range(3, 20), whole, strict=False)})
    stopped = whole_answers(model, ends)
    for tokens, cut in zip(whole, stopped, strict=True):
        stop = next((i + 1 for i, token in enumerate(tokens) if token in ends), 24)
        assert cut == tokens[:stop]
    assert len({len(tokens) for tokens in stopped}) > 3


@pytest.mark.parametrize("rows", [1, 3, 16])
def test_an_answer_that_begins_in_a_free_row_is_what_it_would_be_alone(
    model: gemma3.Gemma3, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lively(model)
    whole = whole_answers(model, [], n=60, rows=64)
    ends = sorted({tokens[k] for k, tokens in zip(range(3, 20), whole, strict=False)})
    monkeypatch.setattr(sampling, "CHUNK", 100)
    for room in (256, 32):  # in one that is too short for all of them, the rows move
        monkeypatch.setattr(shapes, "ROOM", room)
        assert whole_answers(model, ends, n=60, rows=rows) == whole_answers(
            model, ends, n=60, rows=64
        )


def test_a_cache_that_grows_changes_no_answer(
    model: gemma3.Gemma3, monkeypatch: pytest.MonkeyPatch
) -> None:
    lively(model)
    prompts, stops = PROMPTS[:20], form("gemma").template.stops
    grown = sampling.generate(model, TOKENIZER, prompts, stops, 300, batch_size=16)
    assert max(answer.tokens for answer in grown) > shapes.ROOM
    monkeypatch.setattr(shapes, "room_for", lambda length, limit: limit)
    assert sampling.generate(model, TOKENIZER, prompts, stops, 300, batch_size=16) == grown


def test_answers_do_not_depend_on_the_batch(model: gemma3.Gemma3) -> None:
    gemma = form("gemma").template
    prompts = encode_prompts([(form("gemma"), trace.prompt) for trace in DRAWN[:5]], TOKENIZER)
    one = sampling.generate(model, TOKENIZER, prompts, gemma.stops, 5, batch_size=5)
    other = sampling.generate(model, TOKENIZER, prompts, gemma.stops, 5, batch_size=2)
    assert [g.text for g in one] == [g.text for g in other]


def test_tokens_are_drawn_as_often_as_the_model_has_them_likely(
    model: gemma3.Gemma3,
) -> None:
    n, temperature = 2_000, 0.7
    prompts = [PROMPTS[0]] * n
    written = sampling.generate(
        model, TOKENIZER, prompts, GEMMA.stops, 1, batch_size=500, temperature=temperature
    )
    example = Example("x", tuple(PROMPTS[0]), len(PROMPTS[0]))
    shares = np.asarray(
        jax.nn.softmax(logits(model, sft_rows(example))[0, len(PROMPTS[0]) - 1] / temperature)
    )
    by_text: dict[str, float] = {}
    for token, share in enumerate(shares):
        text = TOKENIZER.decode([token])
        by_text[text] = by_text.get(text, 0.0) + float(share)
    found = {text: [g.text for g in written].count(text) / n for text in by_text}
    for text, share in by_text.items():
        assert abs(found[text] - share) < 5 * (share * (1 - share) / n) ** 0.5 + 1e-3


@given(
    vocabulary=st.integers(1, 3_000),
    seed=st.integers(0, 2**32 - 1),
    spread=st.floats(0, 30),
    chance=st.floats(0, 1, exclude_max=True, width=32),
)
def test_a_draw_is_the_token_at_a_place_on_the_line_of_all_tokens(
    vocabulary: int, seed: int, spread: float, chance: float
) -> None:
    rng = np.random.default_rng(seed)
    found = rng.normal(0, spread, vocabulary).astype(np.float32)
    found[rng.random(vocabulary) < 0.3] = -np.inf
    found[rng.integers(vocabulary)] = 0.0
    rows = jnp.array([found, found])
    first, second = np.asarray(drawing.from_softmax(rows, jnp.array([chance, chance], jnp.float32)))
    assert first == second and np.isfinite(found[first])
    sizes = np.exp(found.astype(np.float64) - found.max())
    end = sizes.cumsum() / sizes.sum()
    assert end[first] - sizes[first] / sizes.sum() - 1e-5 <= chance <= end[first] + 1e-5


def test_the_same_seed_draws_the_same_in_any_batch_and_another_seed_something_else(
    model: gemma3.Gemma3,
) -> None:
    def texts(batch_size: int, seed: int) -> list[str]:
        how: dict[str, Any] = {"batch_size": batch_size, "temperature": 1.0, "seed": seed}
        found = sampling.generate(model, TOKENIZER, PROMPTS[:6], GEMMA.stops, 8, **how)
        return [g.text for g in found]

    assert texts(6, 0) == texts(2, 0)
    assert texts(6, 0) != texts(6, 1)


def answered(folder: Path, kept: Path, n: int = 12, **how: Any) -> list[response.Generation]:
    settings: dict[str, Any] = {"max_new_tokens": 6, "batch_size": 4, **how}
    asked = [(form("gemma"), t.prompt) for t in DRAWN[:n]]
    return _answer(folder, asked, kept, **settings)


def test_answers_that_are_there_are_not_generated_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "answers" / "after.jsonl"
    first = answered(folder, kept)
    whole = kept.read_bytes()
    lines = whole.splitlines(keepends=True)
    assert len(lines) == 1 + 3
    for left in (9, len(lines[2]) // 2, len(lines[2]) - 1):  # of the second batch
        kept.write_bytes(b"".join(lines[:2]) + lines[2][:left])
        assert answered(folder, kept) == first
        assert kept.read_bytes().startswith(lines[0] + lines[1])
        assert sorted(numbers(kept)) == list(range(12))
    monkeypatch.setattr(answers, "read", None)  # nothing can be generated from here on
    assert answered(folder, kept) == first
    with pytest.raises(TypeError):
        answered(folder, kept, max_new_tokens=5)


def numbers(kept: Path) -> list[int]:
    """The numbers of the prompts whose answers are in a file."""
    batches = [json.loads(line)["batch"] for line in kept.read_bytes().splitlines()[1:]]
    return [one["number"] for batch in batches for one in batch]


@pytest.mark.parametrize(
    "damaged", [b"x\n", b"{}\n", b'{"batch": [7]}\n', b'{"batch": ["\xff"]}\n']
)
def test_answers_that_were_damaged_are_refused(
    folder: Path, tmp_path: Path, damaged: bytes
) -> None:
    kept = tmp_path / "after.jsonl"
    answered(folder, kept, n=4)
    kept.write_bytes(kept.read_bytes() + damaged)
    with pytest.raises(InputError, match=r"after\.jsonl: is damaged, remove it: "):
        answered(folder, kept, n=4)


SCRIPT = """
import sys
from pathlib import Path
from tests.models.test_sampling import answered
answered(Path(sys.argv[1]), Path(sys.argv[2]), n=60, batch_size=2, max_new_tokens=24)
"""


def test_a_killed_generation_goes_on_and_ends_in_the_same_answers(
    folder: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "after.jsonl"
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(folder), str(kept)]
    with subprocess.Popen(command) as victim:
        deadline = time.monotonic() + 120
        while not kept.exists() or kept.read_bytes().count(b"\n") < 4:
            assert victim.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
        os.kill(victim.pid, signal.SIGKILL)
    there = kept.read_bytes()
    assert there.count(b"\n") < 30
    how: dict[str, Any] = {"n": 60, "batch_size": 2, "max_new_tokens": 24}
    resumed = answered(folder, kept, **how)
    assert kept.read_bytes().startswith(there[: there.rindex(b"\n") + 1])
    assert sorted(numbers(kept)) == list(range(60))
    assert resumed == answered(folder, tmp_path / "other.jsonl", **how)
