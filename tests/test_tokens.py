from itertools import compress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunix_rt_nb import tasks
from tunix_rt_nb.chat import Segment, render, template
from tunix_rt_nb.errors import InputError
from tunix_rt_nb.tokens import (
    BOS,
    Example,
    Tokenizer,
    encode,
    encode_prompt,
    pack,
    train_tokenizer,
)
from tunix_rt_nb.trace import Trace

TEXTS = [s.text for t in tasks.draw("arithmetic", 200, 0) for s in render(t).response[:1]]
TOKENIZER = Tokenizer(train_tokenizer(TEXTS, 400))
CONTROLS = sorted(TOKENIZER.controls)

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60)
with_controls = st.lists(st.one_of(text, st.sampled_from([*CONTROLS, "▁"])), min_size=1).map(
    "".join
)
some_text = with_controls.filter(bool)


def test_the_tokenizer_is_trained_to_the_same_bytes() -> None:
    assert train_tokenizer(TEXTS, 400) == TOKENIZER.model


@given(with_controls)
def test_literal_text_holds_no_control_token_and_reads_back(content: str) -> None:
    ids = TOKENIZER.literal(content)
    assert not set(ids) & set(TOKENIZER.controls.values())
    assert TOKENIZER.decode(ids) == content


@given(prompt=some_text, steps=st.lists(some_text, min_size=1, max_size=4), answer=some_text)
def test_the_mask_obeys_its_laws_whatever_the_trace_says(
    prompt: str, steps: list[str], answer: str
) -> None:
    chat = render(Trace.of(prompt, [("s", s) for s in steps], answer))
    example = encode(chat, TOKENIZER)
    trained = list(compress(example.ids, example.mask))
    assert example.ids[0] == BOS
    assert example.ids.count(BOS) == 1
    assert len(example.ids) == len(example.mask)
    assert trained
    assert TOKENIZER.decode(trained) == "".join(s.text for s in chat.response)
    assert trained.count(TOKENIZER.control("<end_of_turn>")) == 1
    given_to_the_model = encode_prompt(chat.prompt, TOKENIZER)
    assert list(example.ids[: len(given_to_the_model)]) == given_to_the_model
    assert list(example.mask) == [False] * len(given_to_the_model) + [True] * len(trained)


def test_neighbouring_text_is_tokenised_as_one() -> None:
    parts = encode_prompt([Segment("Unit"), Segment("s: 7+8")], TOKENIZER)
    assert parts == encode_prompt([Segment("Units: 7+8")], TOKENIZER)


def test_a_piece_the_tokenizer_lacks_is_named() -> None:
    with pytest.raises(InputError, match="no control piece '<|im_end|>'"):
        TOKENIZER.control("<|im_end|>")


examples = st.lists(st.integers(1, 32), min_size=1, max_size=60).map(
    lambda sizes: [
        Example(str(k), tuple(range(4, 4 + n)), (False,) + (True,) * (n - 1))
        for k, n in enumerate(sizes)
    ]
)


@given(examples)
def test_packing_keeps_every_example_whole_and_apart(packed: list[Example]) -> None:
    rows = pack(packed, 32)
    found = []
    for tokens, segments, positions, trained in zip(
        rows.tokens, rows.segments, rows.positions, rows.trained, strict=True
    ):
        for number in range(1, segments.max() + 1):
            place = np.flatnonzero(segments == number)
            assert (np.diff(place) == 1).all()
            assert positions[place].tolist() == list(range(len(place)))
            found.append((tuple(tokens[place].tolist()), tuple(trained[place].tolist())))
        assert not trained[segments == 0].any()
    assert sorted(found) == sorted((e.ids, e.mask) for e in packed)
    assert len(rows) <= 2 * -(-sum(map(len, packed)) // 32)


@given(examples)
def test_packing_is_deterministic(packed: list[Example]) -> None:
    assert np.array_equal(pack(packed, 32).tokens, pack(list(packed), 32).tokens)


def test_packing_fills_rows_with_our_tasks() -> None:
    chats = [render(t) for n in tasks.TASKS for t in tasks.draw(n, 500, 0)]
    texts = [s.text for c in chats for s in (*c.prompt, *c.response) if not s.control]
    tokenizer = Tokenizer(train_tokenizer(texts))
    assert pack([encode(chat, tokenizer) for chat in chats], 192).fill > 0.9


def test_a_vocabulary_out_of_range_is_refused() -> None:
    with pytest.raises(InputError, match="vocab_size: 100, expected 320"):
        train_tokenizer(TEXTS, 100)


def test_what_does_not_fit_is_refused_by_name() -> None:
    long = Example("trace-1", (4,) * 9, (True,) * 9)
    with pytest.raises(InputError, match="trace-1: 9 tokens do not fit into a row of 8"):
        pack([long], 8)
    with pytest.raises(InputError, match="no examples"):
        pack([], 8)


def test_prompts_come_with_one_bos_and_the_models_turn_opened() -> None:
    ids = encode_prompt(template("gemma").prompt("<bos> x"), TOKENIZER)
    assert ids.count(BOS) == 1
    assert TOKENIZER.decode(ids[1:]).endswith("<start_of_turn>model\n")
