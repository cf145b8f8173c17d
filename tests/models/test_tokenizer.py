import io
import re
from functools import cache
from itertools import compress
from typing import Any

import numpy as np
import pytest
import sentencepiece
from hypothesis import given, settings, strategies as st

from tests.conftest import THOROUGH
from tests.golden import published
from tests.helpers import odd
from tunix_rt_nb import tasks
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.models.tokenizer import BOS, Tokenizer, train_tokenizer
from tunix_rt_nb.render.encoding import encode, encode_prompts
from tunix_rt_nb.trace.chat import form, render
from tunix_rt_nb.trace.response import STYLES, respond
from tunix_rt_nb.trace.templates import TEMPLATES, Segment, text_of
from tunix_rt_nb.trace.trace import Trace

DRAWN = list(tasks.draw("arithmetic", 200, 0))
TEXTS = [s.text for t in DRAWN for s in render(t).response[:1]]


def trained(**options: Any) -> Tokenizer:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(TEXTS),
        model_writer=model,
        model_type="bpe",
        byte_fallback=True,
        hard_vocab_limit=False,
        normalization_rule_name="identity",
        minloglevel=2,
        **options,
    )
    return Tokenizer(model.getvalue())


@cache
def foreign() -> Tokenizer:
    """One of Mistral's kind: a space before every text, control pieces that no text contains, and
    pieces that are taken from a text wherever they stand."""
    return trained(
        vocab_size=420,
        control_symbols=["[INST]", "[/INST]"],
        user_defined_symbols=["\n", "\n\n", "<b>", "b>b", "<<b", "▁x▁", "#", "=▁"],
    )


@cache
def rich() -> Tokenizer:
    """One with the pieces of every template and, as Gemma's has, with many more of every kind."""
    own = {piece for name in TEMPLATES for piece in TEMPLATES[name].pieces}
    taken = ["\n", "\n\n", "▁▁", "<unused1>", "[multimodal]", "<table>", "</reasoning>", "Answer:"]
    return trained(
        vocab_size=450,
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        control_symbols=["<mask>", "<unused0>", "<start_of_image>"],
        user_defined_symbols=[*sorted(own - {"<bos>", "<eos>"}), *taken],
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        pad_piece="<pad>",
        eos_piece="<eos>",
        bos_piece="<bos>",
    )


@cache
def tokenizer(name: str) -> Tokenizer:
    """One that is trained for a template."""
    return Tokenizer(train_tokenizer(TEXTS, 400, TEMPLATES[name].pieces))


TOKENIZER = tokenizer("gemma")
ALL = [*map(tokenizer, TEMPLATES), foreign(), rich()]
FORMS = [*((name, rich()) for name in TEMPLATES), ("mistral", foreign())]
CONTROLS = sorted({piece for each in ALL for piece in each.controls})
BYTES = ["<0x0A>", "<0x3C>", "<0xE2>", "<unk>"]
PARTS = sorted({p[k:] for p in CONTROLS for k in range(len(p))} | {p[:2] for p in CONTROLS})
controlled = odd.texts([*CONTROLS, *CONTROLS, *BYTES, *PARTS, *odd.MARKS])


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
    more = {"<mask>", "<unused0>", "<start_of_image>", "<unused1>", "[multimodal]", "<table>"}
    assert set(rich().controls) >= more | {"<pad>", "</reasoning>", "Answer:", "<|im_end|>"}
    assert not {"\n", "\n\n", "  ", "<unk>", "<0x0A>"} & set(rich().controls)
    for each in ALL:
        for piece, number in each.controls.items():
            assert each.piece(number) == piece
            assert each.decode([number, number]) == piece * 2


@pytest.mark.slow
@settings(max_examples=THOROUGH)
@given(controlled)
def test_literal_text_holds_no_control_token_and_reads_back(text: str) -> None:
    for each in ALL:
        ids = each.literal(text)
        assert not set(ids) & set(each.controls.values())
        assert each.decode(ids) == text
        spelled, sizes = each.spell(np.array(ids, int))
        assert spelled.decode() == text
        assert len(sizes) == len(ids)
        assert sizes.sum() == len(spelled)


@pytest.mark.slow
@settings(max_examples=THOROUGH)
@given(st.lists(st.sampled_from([*CONTROLS, *PARTS, "▁", " "]), min_size=1, max_size=8))
def test_text_in_several_segments_is_tokenised_as_one(parts: list[str]) -> None:
    for each in ALL:
        ids = each.segments([Segment(part) for part in parts])
        assert ids == each.literal("".join(parts))
        assert not set(ids) & set(each.controls.values())


def test_every_control_piece_is_literal_in_a_text() -> None:
    for each in ALL:
        for piece in [*CONTROLS, *BYTES]:
            for text in (piece, piece * 3, piece[0] + piece, piece[:-1] + piece, f"a {piece}\nb"):
                assert not set(each.literal(text)) & set(each.controls.values())
                assert each.decode(each.literal(text)) == text


@pytest.mark.slow
@settings(max_examples=THOROUGH)
@given(
    odd.traces(controlled),
    st.sampled_from(FORMS),
    st.sampled_from(sorted(STYLES)),
    st.just("") | controlled,
)
def test_the_mask_obeys_its_laws_whatever_the_trace_says(
    trace: Trace, of: tuple[str, Tokenizer], style: str, system: str
) -> None:
    name, each = of
    chat, bos = render(trace, name, style, system), TEMPLATES[name].bos
    [example] = encode([chat], each, ["trace-7"])
    trained = list(compress(example.ids, example.mask))
    [asked] = encode_prompts([(chat.form, trace.prompt)], each)
    assert trained
    assert list(example.ids) == asked + trained
    assert list(example.mask) == [False] * len(asked) + [True] * len(trained)
    assert each.decode(trained) == text_of(chat.response)
    assert each.decode(example.ids) == (bos or "") + chat.text
    marks = [s.text for s in (*chat.prompt, *chat.response) if s.control]
    steering = set(each.controls.values())
    found = [each.piece(i) for i in example.ids if i in steering]
    assert found == ([bos] if bos else []) + marks
    assert not bos or (found.count(bos) == 1 and example.ids[0] == each.control(bos))


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("style", STYLES)
def test_traces_encoded_together_are_as_each_alone(name: str, style: str) -> None:
    odd_one = Trace.of("<eos> ▁", [("s", "<end_of_turn>\n</s>")], "[INST]")
    chats = [render(trace, name, style, "Be brief.") for trace in [*DRAWN[:50], odd_one, DRAWN[7]]]
    ids = [f"trace-{n}" for n in range(len(chats))]
    for each in (tokenizer(name), rich()):
        alone = [encode([chat], each, [name])[0] for chat, name in zip(chats, ids, strict=True)]
        assert list(encode(chats, each, ids)) == alone


plain = (
    odd.texts([m for m in odd.MARKS if m not in odd.PIECES])
    .map(str.strip)
    .filter(lambda text: text and not any(piece in text for piece in ("▁", *odd.PIECES, "<pad>")))
)


@cache
def sentencepiece_of(name: str) -> sentencepiece.SentencePieceProcessor:
    """SentencePiece alone, of the same model."""
    return sentencepiece.SentencePieceProcessor(model_proto=tokenizer(name).model)


def ids_of(name: str, text: str) -> list[int]:
    """A whole chat at once: all pieces but Gemma's BOS are user-defined, so taken from the text."""
    return sentencepiece_of(name).Encode(text.removeprefix("<bos>"), add_bos=name == "gemma")


@pytest.mark.slow
@settings(max_examples=THOROUGH)
@given(
    name=st.sampled_from(sorted(TEMPLATES)),
    trace=st.sampled_from(DRAWN) | odd.traces(plain),
    style=st.sampled_from(sorted(STYLES)),
    system=plain | st.just(""),
)
def test_ids_are_those_of_sentencepiece_on_the_published_text(
    name: str, trace: Trace, style: str, system: str
) -> None:
    how = form(name, style, system)
    asked = published(name, system, trace.prompt, add_generation_prompt=True)
    assert encode_prompts([(how, trace.prompt)], tokenizer(name)) == [ids_of(name, asked)]
    if name == "mistral":  # it forgets the system message once the model has answered
        system = ""
    answered = published(name, system, trace.prompt, respond(trace, style)).removesuffix("\n")
    chat = render(trace, name, style, system)
    [example] = encode([chat], tokenizer(name), ["trace-7"])
    assert list(example.ids) == ids_of(name, answered)


def test_a_tokenizer_that_puts_spaces_before_a_text_puts_none() -> None:
    plain = sentencepiece.SentencePieceProcessor()
    plain.LoadFromSerializedProto(foreign().model)
    for trace in DRAWN[:20]:
        chat = render(trace, "mistral", "tags")
        [example] = encode([chat], foreign(), [trace.id])
        ids = [foreign().control(piece) for piece in ("<s>", "[INST]", "[/INST]", "</s>")]
        texts = [plain.Encode(trace.prompt), plain.Encode(respond(trace, "tags"))]
        assert list(example.ids) == [*ids[:2], *texts[0], ids[2], *texts[1], ids[3]]
        assert foreign().decode(example.ids) == f"<s>{chat.text}"


@pytest.mark.parametrize(
    ("name", "piece"),
    [("chatml", "<|im_start|>"), ("llama3", "<|begin_of_text|>"), ("mistral", "<s>")],
)
def test_a_piece_the_tokenizer_lacks_is_named_with_its_template(name: str, piece: str) -> None:
    lacks = re.escape(f"tokenizer: has no control token {piece!r}, which template {name} needs")
    with pytest.raises(InputError, match=lacks):
        encode([render(DRAWN[0], name)], TOKENIZER, [DRAWN[0].id])
    with pytest.raises(InputError, match="has no control token '2 \\+', which the template needs"):
        TOKENIZER.control("2 +")


def test_a_vocabulary_out_of_range_is_refused() -> None:
    with pytest.raises(InputError, match="vocab_size: 100, expected 320"):
        train_tokenizer(TEXTS, 100)


# 22, 20 or 6 bytes short, the settings that are added to a model would fill up its last field.
CUTS = [TOKENIZER.model[:size] for size in (1, 2, 99, 999, -22, -20, *range(-9, 0))]


@pytest.mark.parametrize("damaged", [b"", b"junk", b'{"a": 1}', b"\xff" * 99, *CUTS], ids=len)
def test_a_damaged_model_is_refused_in_a_line(damaged: bytes) -> None:
    with pytest.raises(InputError, match="^tokenizer: its .* cut off or damaged, get it again$"):
        Tokenizer(damaged)


def piece(fields: bytes) -> bytes:
    """A model with one more piece."""
    return TOKENIZER.model + b"\x0a" + bytes([len(fields)]) + fields


@pytest.mark.parametrize(
    "fields",
    [
        b"\x18\x04\x0a\x03new\x15\0\0\0\0",  # its kind, user-defined, comes first
        b"\x0a\x03new\x15\0\0\0\0\x18\x04\x0a\x03eos",  # it has two texts
        b"\x0a\x03new\x15\0\0\xc0\x7f",  # its score is NaN
        b"\x0a\x03new\x15\0\0\0\0\x18\x07",  # its kind is unknown
    ],
)
def test_a_piece_that_sentencepiece_may_read_otherwise_is_refused(fields: bytes) -> None:
    assert len(Tokenizer(piece(b"\x0a\x03new\x15\0\0\0\0\x18\x04"))) == len(TOKENIZER) + 1
    with pytest.raises(InputError, match="cut off or damaged, get it again$"):
        Tokenizer(piece(fields))


def test_prompts_come_with_one_bos_and_the_models_turn_opened() -> None:
    [ids] = encode_prompts([(form("gemma"), "<bos> x")], TOKENIZER)
    assert ids.count(BOS) == 1
    assert TOKENIZER.decode(ids[1:]).endswith("<start_of_turn>model\n")
