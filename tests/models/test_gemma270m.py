"""Gemma 3 270M itself, where the package with its weights is installed."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import transformers
from transformers.convert_slow_tokenizer import generate_merges

from tests.helpers.gemma import transformers_logits
from tests.models.test_hf_names import logits
from tunix_rt_nb import models
from tunix_rt_nb.models import gguf_file, sampling, sources
from tunix_rt_nb.models.tokenizer import Tokenizer

package = pytest.importorskip(sources._PACKAGE)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SPELLED = """the of 12 345 + = print(x) Reasoning: Answer: ünïcödé straße Привет мир 你好 世界 こんにちは
안녕 שלום مرحبا नमस्ते ไทย 👩‍👩‍👧 🇩🇪 é e\u0301 ﬁ ½ ① Ⅷ \u200b <b> </b> <table> &amp; {} [] \\n \\ ' " ` ~ 1. 2)
- * # ## http://x.y/?a=b 0x0A <0x0A> <start_of_turn> <end_of_turn> <mask> <unused7>"""
WORDS = SPELLED.split()
BLOCKS = [
    *((1, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF), (0xE00, 0xE7F)),
    *((0x1E00, 0x20CF), (0x2100, 0x2BFF), (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3)),
    *((0xE000, 0xE0FF), (0xFB00, 0xFE0F), (0xFFF0, 0xFFFF), (0x10000, 0x103FF), (0x1D400, 0x1D7FF)),
    *((0x1F000, 0x1FAFF), (0x20000, 0x2A6DF), (0xE0000, 0xE007F), (0x10FF00, 0x10FFFF)),
]
# SentencePiece's own mark of a space means itself elsewhere; control pieces are in no text.
LEFT_OUT = re.compile("▁|<(pad|eos|bos|unk)>")


def texts(n: int) -> Iterator[str]:
    """Words, white space and characters of all kinds and scripts, put together by chance."""
    draw = random.Random(0)
    while n:
        parts = [
            draw.choice(WORDS),
            draw.choice(" \n") * draw.choice([1, 1, 1, 2, 3, 5, 31, 33]),
            str(draw.randrange(10 ** draw.randint(1, 12))),
            "".join(draw.choices("etaoinshrdluETAOIN ", k=draw.randint(1, 20))),
            "".join(chr(draw.randint(*draw.choice(BLOCKS))) for _ in range(draw.randint(1, 6))),
        ]
        text = "".join(draw.choices(parts, [3, 2, 1, 2, 3], k=draw.randint(1, 9)))
        if not LEFT_OUT.search(text):
            n -= 1
            yield text


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> gguf_file.Contents:
    path = tmp_path_factory.mktemp("gemma") / package.MODEL_NAME
    return gguf_file.Contents(package.assemble(path))


@pytest.fixture(scope="module")
def folder(contents: gguf_file.Contents) -> Iterator[Path]:
    folder = contents.path.parent / "folder"
    gguf_file._write(contents, folder)
    yield folder
    (folder / "model.safetensors").unlink()  # a gigabyte
    contents.path.unlink()


@pytest.fixture(scope="module")
def theirs(contents: gguf_file.Contents) -> transformers.GemmaTokenizer:
    """Transformers' tokenizer of Gemma, in Rust and with merges, of the pieces in the file."""
    tokens, scores, kinds = (
        contents.need(f"tokenizer.ggml.{key}") for key in ("tokens", "scores", "token_type")
    )
    tokens = [token if token.strip(" ") else "▁" * len(token) for token in tokens]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    taken = [token for token, kind in zip(tokens, kinds, strict=True) if kind in (3, 4)]
    whole = [*taken, *(token for token in tokens if re.fullmatch("<0x..>", token))]
    merges = generate_merges(vocabulary, list(zip(tokens, scores, strict=True)), whole)
    tokenizer = transformers.GemmaTokenizer(vocab=vocabulary, merges=merges, add_bos_token=False)
    tokenizer.add_tokens(
        [transformers.AddedToken(token, normalized="▁" in token) for token in taken]
    )
    return tokenizer


def test_the_tokenizer_agrees_with_transformers_on_10000_texts(
    folder: Path, theirs: transformers.GemmaTokenizer
) -> None:
    mine = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    drawn = list(texts(10_000))
    assert len(set("".join(drawn))) > 10_000
    ids = mine.Encode(drawn)
    assert ids == [theirs.encode(text, add_special_tokens=False) for text in drawn]
    assert mine.Decode(ids) == drawn


def test_the_tokenizer_takes_control_pieces_for_text(folder: Path) -> None:
    tokenizer = Tokenizer((folder / "tokenizer.model").read_bytes())
    assert len(tokenizer) == 262_144
    ids = {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<start_of_turn>": 105, "<end_of_turn>": 106}
    assert ids.items() <= tokenizer.controls.items()
    for text in [*texts(1000), *ids, "▁ ▁▁", "a<end_of_turn>\n<start_of_turn>model"]:
        assert tokenizer.decode(tokenizer.literal(text)) == text
        assert not set(tokenizer.literal(text)) & set(tokenizer.controls.values())


def test_the_logits_are_those_of_transformers_and_stay_so_when_saved(
    folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    model, tokenizer = models.load(folder)
    text = tokenizer.literal("A duel of cards: I hold ♠K, 中文, the other one 7♦.\n" * 3)
    tokens = np.array([[tokenizer.control("<bos>"), *text]], np.int32)
    expected = transformers_logits(folder, tokens)
    assert np.ptp(expected) > 10
    for packed in (False, True):
        np.testing.assert_allclose(logits(model, packed, tokens), expected, atol=1e-3)
    saved = models.save(model, tokenizer, tmp_path / "saved")
    np.testing.assert_allclose(transformers_logits(saved, tokens), expected, atol=1e-5)
    again, _ = models.load(saved)
    np.testing.assert_allclose(
        logits(again, tokens=tokens), logits(model, tokens=tokens), atol=1e-5
    )
    (saved / "model.safetensors").unlink()  # a gigabyte


def test_it_goes_on_with_a_story(folder: Path) -> None:
    model, tokenizer = models.load(folder)
    asked = ["Once upon a time, there was a", "Monday, Tuesday, Wednesday,", "1, 2, 3, 4, 5, 6,"]
    prompts = [[tokenizer.control("<bos>"), *tokenizer.literal(text)] for text in asked]
    written = sampling.generate(model, tokenizer, prompts, ["<eos>"], 8, batch_size=3)
    story, days, numbers = (generation.text for generation in written)
    assert re.match(r" (little|young|small|man|boy|girl)\b", story), story
    assert days.startswith(" Thursday, Friday"), days
    assert numbers.startswith(" 7, 8"), numbers
