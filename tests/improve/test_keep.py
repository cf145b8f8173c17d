"""Attempts that held, as traces in a store, and a dataset of them."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import NOW, some
from tests.improve.attempts import LINES, TRACE, attempt, response
from tunix_rt_nb import dataset, improve
from tunix_rt_nb.improve.attempts import Attempt
from tunix_rt_nb.store import TraceStore
from tunix_rt_nb.trace import EARLIER, Trace, respond

TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


def kept(folder: Path, *rounds: Sequence[Attempt]) -> list[Trace]:
    improve.keep_right(folder, "my-run", map(list, rounds), NOW)
    return [stored.trace for stored in TraceStore(folder)]


def test_what_is_right_in_every_step_is_kept_with_where_it_comes_from(tmp_path: Path) -> None:
    texts = [response(wrong=2), response(), response(answer="2"), response()]
    now = [attempt(text, sample=k) for k, text in enumerate(texts)]
    [found] = kept(tmp_path, [attempt("Hm.")], now)
    assert [step.content for step in found.steps] == [*LINES]
    assert (found.prompt, found.final_answer) == (TRACE.prompt, "1")
    told = {"source": "improved", "run": "my-run", "round": 2, "sample": 1, "prompt_id": "sum-0"}
    assert found.meta == {"task": "arithmetic", "difficulty": "easy", **told}


def test_an_answer_without_its_stop_token_is_not_kept(tmp_path: Path) -> None:
    assert kept(tmp_path, [attempt(response(), stopped=False)]) == []


def test_the_first_of_equal_attempts_is_kept_over_rounds_and_calls(tmp_path: Path) -> None:
    rounds = [[attempt(response(), sample=3)], [attempt(response())]]
    for _ in range(2):
        [found] = kept(tmp_path, *rounds)
        assert (found.meta or {})["round"] == 1
        assert (found.meta or {})["sample"] == 3


@pytest.mark.parametrize("style", ["numbered", "tags"])
def test_your_own_prompt_keeps_its_category_turns_and_answer_of_several_lines(
    tmp_path: Path, style: str
) -> None:
    own = Trace.of("And then?", [], "a\nb", {"category": "poems", EARLIER: TURNS, "other": 1})
    said = Trace.of("And then?", [("model", "1+1=2\nso two lines")], "a\nb")
    [found] = kept(tmp_path, [attempt(respond(said, style), style=style, trace=own)])
    assert found.final_answer == "a\nb"
    assert [step.content for step in found.steps] == ["1+1=2\nso two lines"]
    assert (found.meta or {})["category"] == "poems"
    assert found.earlier.messages() == TURNS
    assert "other" not in (found.meta or {})


def test_a_dataset_with_its_card_and_lineage_is_built_from_what_was_kept(tmp_path: Path) -> None:
    drawn = some("arithmetic", 30, seed=0)
    rounds = [attempt(respond(trace), n, trace=trace) for n, trace in enumerate(drawn)]
    assert len(kept(tmp_path / "traces", rounds)) == 30
    spec = dataset.DatasetSpec.of(dataset_name="mine")
    built = dataset.build(TraceStore(tmp_path / "traces"), spec, tmp_path)
    sides = [dict(dataset.load(built, side)) for side in ("train", "eval")]
    assert sum(map(len, sides)) == 30
    assert all(sides)
    assert all((t.meta or {})["run"] == "my-run" for side in sides for t in side.values())
    card = (built / "README.md").read_text()
    assert "arithmetic" in card
