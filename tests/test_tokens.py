import io
import re
from functools import cache
from itertools import compress

import numpy as np
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import odd
from tests.golden import published
from tunix_rt_nb import tasks
from tunix_rt_nb.chat import TEMPLATES, Segment, render, template, text_of
from tunix_rt_nb.errors import InputError
from tunix_rt_nb.response import STYLES, respond
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

DRAWN = list(tasks.draw("arithmetic", 200, 0))
TEXTS = [s.text for t in DRAWN for s in render(t).response[:1]]


@cache
def foreign() -> Tokenizer:
    """One of Mistral's kind: a space before every text, control pieces that no text contains, and
    pieces that are taken from a text wherever they stand."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(TEXTS),
        model_writer=model,
        model_type="bpe",
        vocab_size=420,
        byte_fallback=True,
        hard_vocab_limit=False,
        normalization_rule_name="identity",
        control_symbols=["[INST]", "[/INST]"],
        user_defined_symbols=["\n", "\n\n", "<b>", "b>b", "<<b", "▁x▁", "#", "=▁"],
        minloglevel=2,
    )
    return Tokenizer(model.getvalue())


@cache
def tokenizer(name: str) -> Tokenizer:
    """One that is trained for a template."""
    return Tokenizer(train_tokenizer(TEXTS, 400, TEMPLATES[name].pieces))


TOKENIZER = tokenizer("gemma")
ALL = [*map(tokenizer, TEMPLATES), foreign()]
CONTROLS = sorted({piece for each in ALL for piece in each.controls})
PARTS = sorted({p[k:] for p in CONTROLS for k in range(len(p))} | {p[:2] for p in CONTROLS})
controlled = odd.texts([*CONTROLS, *CONTROLS, *PARTS, *odd.MARKS])


def test_the_tokenizer_is_trained_to_the_same_bytes() -> None:
    assert train_tokenizer(TEXTS, 400) == TOKENIZER.model


def test_every_piece_that_steers_is_known() -> None:
    assert set(TOKENIZER.controls) == {
        "<pad>",
        "<eos>",
        "<bos>",
        "<start_of_turn>",
        "<end_of_turn>",
    }
    marks = {"<s>", "</s>", "[INST]", "[/INST]", "<b>", "b>b", "<<b", " x ", "= "}
    assert set(foreign().controls) == marks
    for each in ALL:
        for piece, number in each.controls.items():
            assert each.piece(number) == piece
            assert each.decode([number, number]) == piece * 2


@settings(max_examples=1000)
@given(controlled)
def test_literal_text_holds_no_control_token_and_reads_back(text: str) -> None:
    for each in ALL:
        ids = each.literal(text)
        assert not set(ids) & set(each.controls.values())
        assert each.decode(ids) == text


@given(st.lists(st.sampled_from([*CONTROLS, *PARTS, "▁", " "]), min_size=1, max_size=8))
def test_text_in_several_segments_is_tokenised_as_one(parts: list[str]) -> None:
    for each in ALL:
        ids = encode_prompt([Segment(part) for part in parts], each, bos=None)
        assert ids == each.literal("".join(parts))
        assert not set(ids) & set(each.controls.values())


def test_every_control_piece_is_literal_in_a_text() -> None:
    for each in ALL:
        for piece in CONTROLS:
            for text in (piece, piece * 3, piece[0] + piece, piece[:-1] + piece, f"a {piece}\nb"):
                assert not set(each.literal(text)) & set(each.controls.values())
                assert each.decode(each.literal(text)) == text


@settings(max_examples=1000)
@given(odd.traces(controlled), st.sampled_from(sorted(STYLES)), st.just("") | controlled)
def test_the_mask_obeys_its_laws_whatever_the_trace_says(
    trace: Trace, style: str, system: str
) -> None:
    for name, each in zip(TEMPLATES, ALL, strict=False):
        chat, bos = render(trace, name, style, system), TEMPLATES[name].bos
        example = encode(chat, each)
        trained = list(compress(example.ids, example.mask))
        given_to_the_model = encode_prompt(chat.prompt, each, bos)
        assert list(example.ids) == given_to_the_model + trained
        assert list(example.mask) == [False] * len(given_to_the_model) + [True] * len(trained)
        assert each.decode(trained) == text_of(chat.response)
        assert each.decode(example.ids) == (bos or "") + chat.text
        marks = [s.text for s in (*chat.prompt, *chat.response) if s.control]
        steering = set(each.controls.values())
        found = [each.piece(i) for i in example.ids if i in steering]
        assert found == ([bos] if bos else []) + marks
        assert not bos or (found.count(bos) == 1 and example.ids[0] == each.control(bos))


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("system", ["", "Be brief.\n\nShow every step."])
def test_ids_are_those_of_sentencepiece_on_the_published_text(name: str, system: str) -> None:
    each = tokenizer(name)
    plain = sentencepiece.SentencePieceProcessor()
    plain.LoadFromSerializedProto(each.model)
    marks = f"({'|'.join(map(re.escape, TEMPLATES[name].pieces))})"

    def ids(text: str) -> list[int]:
        parts = [(part, part in TEMPLATES[name].pieces) for part in re.split(marks, text)]
        encoded = [[plain.PieceToId(p)] if mark else plain.Encode(p) for p, mark in parts]
        return [i for part in encoded for i in part]

    for trace in DRAWN:
        chat = render(trace, name, "tags", system)
        asked = published(name, system, trace.prompt, add_generation_prompt=True)
        assert encode_prompt(chat.prompt, each, TEMPLATES[name].bos) == ids(asked)
        answered = published(name, "", trace.prompt, respond(trace, "tags")).removesuffix("\n")
        assert list(encode(render(trace, name, "tags"), each).ids) == ids(answered)


def test_a_tokenizer_that_puts_spaces_before_a_text_puts_none() -> None:
    plain = sentencepiece.SentencePieceProcessor()
    plain.LoadFromSerializedProto(foreign().model)
    for trace in DRAWN[:20]:
        chat = render(trace, "mistral", "tags")
        ids = [foreign().control(piece) for piece in ("<s>", "[INST]", "[/INST]", "</s>")]
        texts = [plain.Encode(trace.prompt), plain.Encode(respond(trace, "tags"))]
        assert list(encode(chat, foreign()).ids) == [*ids[:2], *texts[0], ids[2], *texts[1], ids[3]]
        assert foreign().decode(encode(chat, foreign()).ids) == f"<s>{chat.text}"


@pytest.mark.parametrize(
    ("name", "piece"),
    [("chatml", "<|im_start|>"), ("llama3", "<|begin_of_text|>"), ("mistral", "<s>")],
)
def test_a_piece_the_tokenizer_lacks_is_named_with_its_template(name: str, piece: str) -> None:
    lacks = re.escape(f"tokenizer: has no control piece {piece!r}, template {name} needs it")
    with pytest.raises(InputError, match=lacks):
        encode(render(DRAWN[0], name), TOKENIZER)
    with pytest.raises(InputError, match="has no control piece '2 \\+', the template needs it"):
        TOKENIZER.control("2 +")


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
    chats = [render(t) for n in ("arithmetic", "high_card_duel") for t in tasks.draw(n, 500, 0)]
    texts = [s.text for c in chats for s in (*c.prompt, *c.response) if not s.control]
    tokenizer = Tokenizer(train_tokenizer(texts))
    assert pack([encode(chat, tokenizer) for chat in chats], 320).fill > 0.9


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
