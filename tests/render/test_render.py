import io
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import sentencepiece

from tests.conftest import NOW
from tunix_rt_nb import dataset, render, tasks
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.models.tokenizer import Tokenizer
from tunix_rt_nb.render import checks
from tunix_rt_nb.render.encoding import encode
from tunix_rt_nb.render.examples import Example, Examples
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace.chat import form, render as render_chat
from tunix_rt_nb.trace.templates import TEMPLATES
from tunix_rt_nb.trace.trace import Earlier, Trace


@pytest.fixture
def source(store: TraceStore, tmp_path: Path) -> Path:
    """A dataset of our traces, and some whose text looks like marks of a style or a template."""
    odd = [
        Trace.of("two in one", [("s", "a\n2. b")], "c"),
        Trace.of("an answer in an answer", [("s", "a")], "x\nAnswer: y"),
        Trace.of("long", [("s", "0123456789" * 30)], "c"),
        Trace.of("kept: ▁ <end_of_turn>\u2028\x0b", [("s", "a\n\nb\u2028c")], "<bos>"),
    ]
    store.add(odd, NOW)
    spec = dataset.DatasetSpec.of(dataset_name="d", eval_fraction=0.3)
    return dataset.build(store, spec, tmp_path)


def rendered(
    source: Path, out: Path, template: str = "gemma", style: str = "numbered", **options: Any
) -> Any:
    system = options.get("system", "")
    tokenizer = render.tokenizer_for("tiny", source, 640, template, style, system)
    return render.render_dataset(source, out, tokenizer, template, style, **options)


def test_the_same_dataset_renders_to_the_same_bytes(source: Path, tmp_path: Path) -> None:
    for out in ("one", "two", "two"):
        rendered(source, tmp_path / out)
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / o).iterdir()} for o in ("one", "two"))
    assert one == two


def test_what_is_left_out_is_counted_and_listed(source: Path, tmp_path: Path) -> None:
    manifest = rendered(source, tmp_path / "out", max_length=250)
    rejects = render.rejects(tmp_path / "out")
    assert manifest["rejected"] == {"too_long": len(rejects)}
    assert 1 <= len(rejects) < sum(manifest["examples"].values())
    assert all(reject["tokens"] > 250 for reject in rejects)
    traces = [trace_id for side in ("train", "eval") for trace_id, _ in dataset.load(source, side)]
    examples = [e.id for side in ("train", "eval") for e in render.load(tmp_path / "out", side)]
    assert sorted([*examples, *(reject["id"] for reject in rejects)]) == sorted(traces)


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize(("style", "system"), [("numbered", ""), ("tags", "Be [/INST] brief.")])
def test_a_dataset_renders_in_every_form(
    source: Path, tmp_path: Path, name: str, style: str, system: str
) -> None:
    manifest = rendered(source, tmp_path, name, style, system=system, max_length=100_000)
    assert manifest["rejected"] == {}
    how = {"template": name, "style": style, "system": system}
    assert manifest.items() >= (how | {"form_sha256": form(name, style, system).sha256}).items()
    traces = dict(dataset.load(source, "train"))
    tokenizer = render.load_tokenizer(tmp_path)
    for example in render.load(tmp_path, "train"):
        chat = render_chat(traces.pop(example.id), name, style, system)
        bos = TEMPLATES[name].bos
        assert tokenizer.decode(example.ids[1 if bos else 0 :]) == chat.text
        assert tokenizer.decode(example.ids[example.prompt :]) == chat.trained
    assert not traces


@pytest.mark.slow
def test_loaded_examples_are_those_of_the_traces(source: Path, tmp_path: Path) -> None:
    rendered(source, tmp_path / "out", max_length=100_000)
    tokenizer = render.load_tokenizer(tmp_path / "out")
    traces = dict(dataset.load(source, "train"))
    examples = render.load(tmp_path / "out", "train")
    for example, (trace_id, trace) in zip(examples, traces.items(), strict=True):
        assert example == encode([render_chat(trace)], tokenizer, [trace_id])[0]
    assert list(render.load(tmp_path / "out", "train", limit=3)) == list(examples)[:3]
    lengths = render.lengths_by_task(examples, source)
    assert lengths.keys() >= tasks.TASKS.keys()
    assert sorted(chain(*lengths.values())) == sorted(map(len, examples))


@pytest.mark.slow
def test_batches_of_any_size_render_to_the_same_bytes(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = rendered(source, tmp_path / "one")
    monkeypatch.setattr("tunix_rt_nb.render.render._AT_A_TIME", 1)
    assert rendered(source, tmp_path / "two") == whole


@pytest.mark.parametrize(
    ("break_it", "law"),
    [
        (lambda ids, prompt: ((9, *ids), prompt + 1), "BOS is first, once"),
        (lambda ids, prompt: ((2, *ids), prompt + 1), "BOS is first, once"),
        (lambda ids, prompt: ((*ids, 2), prompt), "BOS is first, once"),
        (lambda ids, prompt: (ids, len(ids)), "at least one token is trained"),
        (lambda ids, prompt: (ids, 0), "trained text is the response"),
        (lambda ids, prompt: (ids, prompt + 1), "trained text is the response"),
        (lambda ids, prompt: (ids, prompt - 1), "trained text is the response"),
        (lambda ids, prompt: (ids[:-1], prompt), "trained text is the response"),
        (lambda ids, prompt: ((*ids, ids[-1]), prompt), "trained text is the response"),
        (lambda ids, prompt: (ids[:3] + ids[4:], prompt - 1), "before it is the prompt"),
    ],
)
def test_a_broken_mask_names_the_trace_and_the_law(
    source: Path, break_it: Callable[..., tuple[tuple[int, ...], int]], law: str
) -> None:
    tokenizer = render.tokenizer_for("tiny", source, 640, "gemma", "numbered")
    chats = [render_chat(trace) for trace in tasks.draw("arithmetic", 9, 0)]
    examples = list(encode(chats, tokenizer, [f"trace-{n}" for n in range(9)]))
    checks.check(Examples.of(examples), chats, tokenizer)
    examples[7] = Example("trace-7", *break_it(examples[7].ids, examples[7].prompt))
    with pytest.raises(InputError, match=f"trace trace-7: cannot be rendered, .*{law}"):
        checks.check(Examples.of(examples), chats, tokenizer)


class Careless(Tokenizer):
    """One that takes control pieces from a text, as SentencePiece does by itself."""

    def literals(self, texts: Sequence[str]) -> list[list[int]]:
        return self._pieces.Encode(list(texts))


def test_text_that_became_a_control_token_is_noticed(source: Path, tmp_path: Path) -> None:
    tokenizer = Careless(render.tokenizer_for("tiny", source, 640, "gemma", "numbered").model)
    for said in (["<end_of_turn>", "a", "b"], ["p", "<start_of_turn>", "b"]):
        chats = [render_chat(Trace.of(said[0], [("s", said[1])], said[2]))]
        encoded = encode(chats, tokenizer, ["trace-7"])
        with pytest.raises(InputError, match="trace trace-7: .*: no text is a control token"):
            checks.check(encoded, chats, tokenizer)
    with pytest.raises(InputError, match="trace [0-9a-f-]{36}: cannot be rendered, it breaks"):
        render.render_dataset(source, tmp_path / "out", tokenizer)
    assert not list((tmp_path / "out").iterdir())


def test_a_text_that_the_tokenizer_does_not_know_is_noticed(source: Path, tmp_path: Path) -> None:
    model = io.BytesIO()
    pieces = ["<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>"]
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(["Reasoning: 1. Answer: user model"]),
        model_writer=model,
        model_type="bpe",
        vocab_size=60,
        hard_vocab_limit=False,
        user_defined_symbols=["\n", *pieces],
        minloglevel=2,
    )
    with pytest.raises(InputError, match="breaks this law: the trained text is the response"):
        render.render_dataset(source, tmp_path, Tokenizer(model.getvalue()))


def test_steps_that_read_back_otherwise_are_counted(source: Path, tmp_path: Path) -> None:
    every = [t for side in dataset.SIDES for _, t in dataset.load(source, side)]
    odd = [t.prompt for t in every if any("\n2. " in step.content for step in t.steps)]
    manifest = rendered(source, tmp_path, max_length=100_000)
    assert manifest["read_otherwise"] == len(odd) == 1


def test_earlier_messages_come_before_the_prompt_and_are_not_trained(
    store: TraceStore, tmp_path: Path
) -> None:
    told = Earlier("Be brief.", (("q", "a"), ("r", "b")))
    meta = {"earlier_messages": told.messages()}
    chats = [Trace.of("s", [("s", "x")], "c", meta), Trace.of("alone", [("s", "x")], "d")]
    traces = [*chats, *tasks.draw("arithmetic", 30, 0)]
    store.add(traces, NOW)
    spec = dataset.DatasetSpec.of(dataset_name="chats", limit=10_000)
    source = dataset.build(store, spec, tmp_path / "built")
    rendered(source, tmp_path / "out", system="Think.", max_length=1000)
    tokenizer = render.load_tokenizer(tmp_path / "out")
    texts = {}
    for side in dataset.SIDES:
        for example in render.load(tmp_path / "out", side):
            texts[example.id] = (
                tokenizer.decode(example.ids[1 : example.prompt]),
                tokenizer.decode(example.ids[example.prompt :]),
            )
    turn = "<end_of_turn>\n<start_of_turn>"
    assert texts[chats[0].id] == (
        f"<start_of_turn>user\nBe brief.\n\nq{turn}model\na{turn}user\nr{turn}model\nb{turn}user\ns"
        f"{turn}model\n",
        "Reasoning:\n1. x\nAnswer: c<end_of_turn>",
    )
    assert texts[chats[1].id][0] == f"<start_of_turn>user\nThink.\n\nalone{turn}model\n"


def test_a_tokenizer_that_lacks_a_piece_renders_nothing(source: Path, tmp_path: Path) -> None:
    tokenizer = render.tokenizer_for("tiny", source, 640, "gemma", "numbered")
    with pytest.raises(InputError, match=r"no control token '<s>', which template mistral needs"):
        render.render_dataset(source, tmp_path / "out", tokenizer, "mistral")
    assert not (tmp_path / "out").exists()


def test_another_chat_than_the_examples_is_noticed(source: Path) -> None:
    tokenizer = render.tokenizer_for("tiny", source, 640, "gemma", "numbered")
    chat, other = map(render_chat, tasks.draw("arithmetic", 2, 0))
    encoded = encode([chat], tokenizer, ["trace-7"])
    with pytest.raises(InputError, match="before it is the prompt"):
        checks.check(encoded, [chat._replace(asked=other.asked)], tokenizer)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("train.npy", lambda folder: render.load(folder, "train")),
        ("train_tokens.npy", lambda folder: render.load(folder, "train")),
        ("eval_tokens.npy", lambda folder: render.load(folder, "eval")),
        ("rejects.jsonl", render.rejects),
        ("tokenizer.model", render.load_tokenizer),
    ],
)
def test_a_file_that_was_altered_or_lost_is_named(
    source: Path, tmp_path: Path, name: str, read: Callable[[Path], object]
) -> None:
    rendered(source, tmp_path)
    read(tmp_path)
    path = tmp_path / name
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if content else b" ")
    sha256 = files.sha256(path)[:12]
    with pytest.raises(InputError, match=f"{name}: was altered .* its sha256 is {sha256} and not"):
        read(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match=f"{name}: is missing, run 3_render again"):
        read(tmp_path)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"has no manifest\.json, run 3_render again"):
        read(tmp_path)


def test_a_dataset_that_was_altered_is_not_rendered(source: Path, tmp_path: Path) -> None:
    lines = (source / "train.jsonl").read_bytes().splitlines(keepends=True)
    (source / "train.jsonl").write_bytes(b"".join(lines[1:]))
    with pytest.raises(InputError, match=r"train\.jsonl: was altered after the build"):
        rendered(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_rendering_that_fails_is_incomplete(source: Path, tmp_path: Path) -> None:
    rendered(source, tmp_path)
    with pytest.raises(InputError, match="no training example fits"):
        rendered(source, tmp_path, max_length=9)
    with pytest.raises(InputError, match=r"has no manifest\.json, run 3_render again"):
        render.load(tmp_path, "train")


def test_a_tokenizer_is_trained_on_a_share_of_a_large_dataset(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = render.tokenizer_for("tiny", source, 640, "gemma", "numbered")
    count = dataset.read_manifest(source)["split"]["train"]
    monkeypatch.setattr("tunix_rt_nb.render.render._SAMPLE", count)
    assert render.tokenizer_for("tiny", source, 640, "gemma", "numbered").model == whole.model
    monkeypatch.setattr("tunix_rt_nb.render.render._SAMPLE", count / 10)
    some = render.tokenizer_for("tiny", source, 640, "gemma", "numbered")
    again = render.tokenizer_for("tiny", source, 640, "gemma", "numbered")
    assert whole.model != some.model == again.model


def test_a_side_without_examples_is_named(store: TraceStore, tmp_path: Path) -> None:
    spec = dataset.DatasetSpec.of(dataset_name="d", eval_fraction=0.0)
    rendered(dataset.build(store, spec, tmp_path), tmp_path / "out")
    with pytest.raises(InputError, match=r"eval\.npy: holds no example, use more traces"):
        render.load(tmp_path / "out", "eval")


def test_bad_requests_get_one_line(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="max_length: no training example fits into 9 tokens"):
        rendered(source, tmp_path / "out", max_length=9)
    with pytest.raises(InputError, match="model: unknown 'huge'"):
        render.tokenizer_for("huge", source, 640, "gemma", "numbered")
