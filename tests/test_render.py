from pathlib import Path

import pytest

from tests.conftest import NOW
from tunix_rt_nb import dataset, files, render, tasks
from tunix_rt_nb.chat import Chat, Segment
from tunix_rt_nb.chat import render as render_chat
from tunix_rt_nb.errors import InputError
from tunix_rt_nb.store import TraceStore
from tunix_rt_nb.tokens import Example, Tokenizer, encode
from tunix_rt_nb.trace import Trace


@pytest.fixture
def source(store: TraceStore, tmp_path: Path) -> Path:
    """A dataset of eighty traces, and three whose text looks like the style's own marks."""
    odd = [
        Trace.of("two in one", [("s", "a\n2. b")], "c"),
        Trace.of("an answer in an answer", [("s", "a")], "x\nAnswer: y"),
        Trace.of("long", [("s", "0123456789" * 30)], "c"),
        Trace.of("kept: ▁ <end_of_turn>\u2028\x0b", [("s", "a\n\nb\u2028c")], "<bos>"),
    ]
    store.add(odd, NOW)
    spec = dataset.DatasetSpec.of(dataset_name="d", eval_fraction=0.3)
    return dataset.build(store, spec, tmp_path)


def rendered(source: Path, out: Path, **options: object) -> dict:
    tokenizer = render.tokenizer_for("tiny", source, 640, "gemma", "numbered")
    return render.render_dataset(source, out, tokenizer, **options)  # type: ignore[arg-type]


def test_the_same_dataset_renders_to_the_same_bytes(source: Path, tmp_path: Path) -> None:
    for out in ("one", "two", "two"):
        rendered(source, tmp_path / out)
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / o).iterdir()} for o in ("one", "two"))
    assert one == two


def test_what_is_left_out_is_counted_and_listed(source: Path, tmp_path: Path) -> None:
    manifest = rendered(source, tmp_path / "out")
    assert manifest["rejected"] == {"does_not_read_back": 2, "too_long": 1}
    assert sum(manifest["examples"].values()) == 81
    assert len(list(files.read_lines(tmp_path / "out/rejects.jsonl"))) == 3


def test_loaded_examples_are_those_of_the_traces(source: Path, tmp_path: Path) -> None:
    rendered(source, tmp_path / "out")
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
