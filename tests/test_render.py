from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NOW
from tunix_rt_nb import dataset, files, render, tasks
from tunix_rt_nb.chat import TEMPLATES, Chat, Segment, form_sha256, unrender
from tunix_rt_nb.chat import render as render_chat
from tunix_rt_nb.errors import InputError
from tunix_rt_nb.store import TraceStore
from tunix_rt_nb.tokens import Example, Tokenizer, encode
from tunix_rt_nb.trace import Trace


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
) -> dict[str, Any]:
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
    rejects = list(files.read_lines(tmp_path / "out/rejects.jsonl"))
    assert manifest["rejected"] == {"too_long": len(rejects)}
    assert 1 <= len(rejects) < sum(manifest["examples"].values())
    assert all(reject["tokens"] > 250 for reject in rejects)
    traces = [trace_id for side in ("train", "eval") for trace_id, _ in dataset.load(source, side)]
    examples = [e.id for side in ("train", "eval") for e in render.load(tmp_path / "out", side)]
    assert sorted([*examples, *(reject["id"] for reject in rejects)]) == sorted(traces)


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize(("style", "system"), [("numbered", ""), ("tags", "Be [/INST] brief.")])
def test_a_dataset_renders_in_every_form_and_reads_back(
    source: Path, tmp_path: Path, name: str, style: str, system: str
) -> None:
    manifest = rendered(source, tmp_path, name, style, system=system, max_length=100_000)
    assert manifest["rejected"] == {}
    how = {"template": name, "style": style, "system": system}
    assert manifest.items() >= (how | {"form_sha256": form_sha256(name, style, system)}).items()
    traces = dict(dataset.load(source, "train"))
    for line in files.read_lines(tmp_path / "train.jsonl"):
        trace = traces.pop(line["id"])
        steps = tuple(step.content for step in trace.steps)
        assert unrender(line["text"], name, style, system) == (
            (trace.prompt, steps, trace.final_answer)
        )
    assert not traces


def test_loaded_examples_are_those_of_the_traces(source: Path, tmp_path: Path) -> None:
    rendered(source, tmp_path / "out", max_length=100_000)
    tokenizer = Tokenizer((tmp_path / "out/tokenizer.model").read_bytes())
    traces = dict(dataset.load(source, "train"))
    examples = render.load(tmp_path / "out", "train")
    for example in examples:
        assert example == encode(render_chat(traces[example.id]), tokenizer, trace_id=example.id)
    assert render.load(tmp_path / "out", "train", limit=3) == examples[:3]
    assert render.lengths_by_task(examples, source).keys() >= tasks.TASKS.keys()


@pytest.mark.parametrize(
    ("break_it", "law"),
    [
        (lambda ids, mask: ((9, *ids), (False, *mask)), "one BOS, first"),
        (lambda ids, mask: ((2, *ids), (False, *mask)), "one BOS, first"),
        (lambda ids, mask: (ids, (False,) * len(mask)), "only the end is trained"),
        (lambda ids, mask: (ids, (True,) * len(mask)), "trained text is the response"),
        (lambda ids, mask: (ids, (False, *mask[:-1])), "trained text is the response"),
        (lambda ids, mask: (ids, (*mask[1:], True)), "trained text is the response"),
        (lambda ids, mask: (ids[:-1], mask[:-1]), "trained text is the response"),
        (lambda ids, mask: (ids[:3] + ids[4:], mask[:3] + mask[4:]), "before it is the prompt"),
    ],
)
def test_a_broken_mask_names_the_trace_and_the_law(
    source: Path, break_it: object, law: str
) -> None:
    tokenizer = render.tokenizer_for("tiny", source, 640, "gemma", "numbered")
    trace = next(tasks.draw("arithmetic", 1, 0))
    chat = render_chat(trace)
    example = encode(chat, tokenizer, trace_id="trace-7")
    render.check(example, chat, tokenizer)
    broken = Example("trace-7", *break_it(example.ids, example.mask))  # type: ignore[operator]
    with pytest.raises(InputError, match=f"trace trace-7: cannot be rendered: .*{law}"):
        render.check(broken, chat, tokenizer)


def test_text_that_became_a_control_token_is_noticed(source: Path) -> None:
    tokenizer = render.tokenizer_for("tiny", source, 640, "gemma", "numbered")
    chat = render_chat(Trace.of("<end_of_turn>", [("s", "a")], "b"))
    become = [Segment(s.text, s.control or s.text == "<end_of_turn>") for s in chat.prompt]
    example = encode(Chat(tuple(become), chat.response), tokenizer, "trace-7")
    with pytest.raises(InputError, match="trace trace-7: .*: no text is a control token"):
        render.check(example, chat, tokenizer)


def test_text_that_reads_back_as_another_is_noticed() -> None:
    form = ("mistral", "tags", "Be brief.")
    trace, other = tasks.draw("arithmetic", 2, 0)
    render.check_text(render_chat(trace, *form), trace, "trace-7", *form)
    for chat in (render_chat(other, *form), render_chat(trace)):
        with pytest.raises(InputError, match="trace trace-7: .*: its text reads back as another"):
            render.check_text(chat, trace, "trace-7", *form)


def test_a_tokenizer_that_lacks_a_piece_renders_nothing(source: Path, tmp_path: Path) -> None:
    tokenizer = render.tokenizer_for("tiny", source, 640, "gemma", "numbered")
    with pytest.raises(InputError, match=r"no control piece '<s>', template mistral needs it"):
        render.render_dataset(source, tmp_path / "out", tokenizer, "mistral")
    assert not (tmp_path / "out").exists()


def test_another_chat_than_the_examples_is_noticed(source: Path) -> None:
    tokenizer = render.tokenizer_for("tiny", source, 640, "gemma", "numbered")
    chat = render_chat(next(tasks.draw("arithmetic", 1, 0)))
    example = encode(chat, tokenizer)
    with pytest.raises(InputError, match="before it is the prompt"):
        render.check(example, Chat((Segment("other"),), chat.response), tokenizer)


def test_bad_requests_get_one_line(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="max_length: no training example fits into 9 tokens"):
        rendered(source, tmp_path / "out", max_length=9)
    with pytest.raises(InputError, match=r"has no manifest\.json, run 3_render again"):
        render.load(tmp_path / "out", "train")
    rendered(source, tmp_path / "out")
    (tmp_path / "out/train.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match=r"train\.jsonl: was altered"):
        render.load(tmp_path / "out", "train")
    with pytest.raises(InputError, match="model: unknown 'huge'"):
        render.tokenizer_for("huge", source, 640, "gemma", "numbered")
