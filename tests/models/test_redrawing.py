"""Tests of answers that are checked while they are written: only what is refused is drawn again."""

from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx
from tunix.models.gemma3 import model as gemma3

from tests.models.test_sampling import GEMMA, PROMPTS, lively
from tests.train.test_sft import TOKENIZER
from tunix_rt_nb import models
from tunix_rt_nb.models import answers, redrawing, sampling, shapes
from tunix_rt_nb.models.redrawing import Verdict
from tunix_rt_nb.trace import Generation

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

MOST = 40


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> gemma3.Gemma3:
    folder = models.create("tiny", TOKENIZER, seed=0, folder=tmp_path_factory.mktemp("model"))
    model = models.load(folder)[0]
    lively(model)
    return model


def written(
    model: gemma3.Gemma3, check: redrawing.Check, n: int = 8, **how: Any
) -> list[Generation]:
    how = {"batch_size": 8, **how}
    return redrawing.generate(model, TOKENIZER, PROMPTS[:n], GEMMA.stops, MOST, check, **how)


def nothing(number: int, text: str, whole: bool) -> Verdict:
    return Verdict(0, False, 0)


def refusing(letter: str) -> redrawing.Check:
    """Refuse each text from the first time that it holds a letter."""

    def check(number: int, text: str, whole: bool) -> Verdict:
        kept = text.find(letter)
        return Verdict(len(text), False, 0) if kept < 0 else Verdict(kept, True, kept)

    return check


@pytest.mark.parametrize("how", [{}, {"temperature": 1.0, "seed": 3}, {"temperature": 0.5}])
def test_what_nothing_refuses_is_what_the_sampler_writes(
    model: gemma3.Gemma3, how: dict[str, Any]
) -> None:
    plain = sampling.generate(model, TOKENIZER, PROMPTS[:8], GEMMA.stops, MOST, 8, **how)
    assert written(model, nothing, **how) == plain


@pytest.mark.parametrize(("room", "rows"), [(256, 8), (32, 8), (256, 3)])
def test_what_is_refused_is_in_no_answer_and_what_comes_before_it_stays(
    model: gemma3.Gemma3, monkeypatch: pytest.MonkeyPatch, room: int, rows: int
) -> None:
    """Also if the cache is too short for all draws, and if answers begin in free rows."""
    monkeypatch.setattr(shapes, "ROOM", room)
    monkeypatch.setattr(sampling, "CHUNK", 100)
    plain = written(model, nothing)
    letter = max("aeinorst", key=lambda letter: sum(letter in one.text for one in plain))
    found = written(model, refusing(letter), tries=40, batch_size=rows)
    assert sum(letter in one.text for one in plain) > 3
    assert not any(letter in one.text for one in found)
    for one, before in zip(found, plain, strict=True):
        assert (one.redrawn > 0) == (letter in before.text)
        right = sum(
            letter not in TOKENIZER.decode(before.ids[: n + 1]) for n in range(len(before.ids))
        )
        assert one.ids[:right] == before.ids[:right]
        assert TOKENIZER.decode(one.ids[: one.tokens]) == one.text
    assert max(one.redrawn for one in found) > MOST
    assert found == written(model, refusing(letter), tries=40, batch_size=rows)


def test_a_check_that_refuses_everything_ends_in_abstention_after_few_tries(
    model: gemma3.Gemma3,
) -> None:
    looks = dict.fromkeys(range(8), 0)

    def no(number: int, text: str, whole: bool) -> Verdict:
        looks[number] += 1
        return Verdict(0, True, 0)

    found = written(model, no, tries=3)
    assert {(one.text, one.ids, one.abstained, one.stopped) for one in found} == {
        ("", (), True, False)
    }
    assert set(looks.values()) == {1 + 3}
    assert all(0 < one.redrawn <= 4 * redrawing.LOOK for one in found)


def test_a_check_that_contradicts_itself_comes_to_an_end(model: gemma3.Gemma3) -> None:
    rng = np.random.default_rng(0)

    def moody(number: int, text: str, whole: bool) -> Verdict:
        kept = int(rng.integers(len(text) + 1))
        return Verdict(kept, bool(rng.integers(2)), int(rng.integers(kept + 1)))

    found = written(model, moody)
    assert all(len(one.ids) <= MOST for one in found)


def test_only_a_chunk_of_which_all_answers_are_known_is_not_written_again(
    model: gemma3.Gemma3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "CHUNK", 1)
    first, *more = sorted(range(16), key=lambda i: len(PROMPTS[i]))
    found = written(model, refusing("e"), 16)
    known = {i: found[i] for i in [first, *more[:7]]}
    for missing, expected in (([], more[7:]), ([first], [first, *more])):
        new: dict[int, Generation] = {}
        some = {i: one for i, one in known.items() if i not in missing}
        assert written(model, refusing("e"), 16, known=some, on_answers=new.update) == found
        assert new == {i: found[i] for i in expected}


@pytest.mark.slow
def test_after_taking_back_the_model_reads_the_text_as_if_it_were_new(
    model: gemma3.Gemma3,
) -> None:
    """Also beyond a sliding window, which is shorter than what is taken back of some rows."""
    layers = [layer.attn for layer in model.layers]
    before = [attention.sliding_window_size for attention in layers]
    for attention in layers:
        attention.sliding_window_size = 8
    ids, none = shapes.padded(PROMPTS[:4], 4), np.zeros(4, bool)
    room, keys = ids.shape[1] + MOST, answers.keys_of(0, range(4), 4)
    try:
        with models.devices_of(model):
            state = answers.read(nnx.split(model), ids, none, keys, room=room, most=MOST)
            state = answers.write(nnx.split(model), state, np.array([-1]), 0, 0.0, 24)
            tokens, kept = np.asarray(state.tokens), np.array([4, 21, 24, 13])
            texts = [[*PROMPTS[k], *tokens[k, : kept[k]].tolist()] for k in range(4)]
            last = np.array([text[-1] for text in texts])
            some = np.array([0, 1, 3, 3])  # nothing is taken back of 2
            state = answers.taken_back(state, some, kept[some], last[some])
            anew = shapes.padded(texts, 4)
            fresh = answers.read(nnx.split(model), anew, none, keys, room=room, most=MOST)
            np.testing.assert_allclose(_logits(model, state), _logits(model, fresh), atol=1e-4)
    finally:
        for attention, size in zip(layers, before, strict=True):
            attention.sliding_window_size = size


@nnx.jit
def _logits(model: gemma3.Gemma3, state: answers.Answers) -> jax.Array:
    positions = state.seen.sum(1)
    seen = state.seen.at[:, state.at].set(True)
    return model(state.last[:, None], positions[:, None], state.cache, seen[:, None, :])[0]
