"""The steps of an answer are checked as they come, in both styles, by task and by equations."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from tests.train.test_sft import DRAWN, TOKENIZER
from tunix_rt_nb import evaluate, models, tasks
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.evaluate.grade import grade
from tunix_rt_nb.models import answers
from tunix_rt_nb.models.redrawing import Verdict
from tunix_rt_nb.trace import TEMPLATES, Generation, Trace, form
from tunix_rt_nb.trace.response import STYLES, respond

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SUMS = list(tasks.draw("arithmetic", 4, seed=0))
styles = pytest.mark.parametrize("style", STYLES)


def reader(trace: Trace, name: str, style: str = "numbered") -> evaluate.Reader:
    return evaluate.Reader([trace], form("gemma", style), evaluate.find_named(name))


@styles
@pytest.mark.parametrize("name", evaluate.CHECKS)
@pytest.mark.parametrize("trace", [SUMS[0], DRAWN[0]])
def test_a_right_answer_is_never_refused_however_far_it_is(
    trace: Trace, name: str, style: str
) -> None:
    text, read = respond(trace, style), reader(trace, name, style)
    kept = [read(0, text[:n], False) for n in range(len(text) + 1)]
    assert not any(verdict.wrong for verdict in kept)
    assert not read(0, text, True).wrong
    starts = {text.find(f"{n}. {step.content}") for n, step in enumerate(trace.steps, 1)}
    assert starts <= {verdict.kept for verdict in kept}


@styles
@pytest.mark.parametrize("name", evaluate.CHECKS)
def test_a_wrong_step_is_refused_once_the_next_one_begins(name: str, style: str) -> None:
    trace = SUMS[0]
    steps = [step.content for step in trace.steps]
    wrong = Trace.of(trace.prompt, [("s", steps[0]), ("s", "So 7 + 9 = 17."), ("s", "?")], "1")
    text, read = respond(wrong, style), reader(trace, name, style)
    begun = text.index("2. So")
    verdicts = [read(0, text[:n], False) for n in range(len(text))]
    first = next(n for n, verdict in enumerate(verdicts) if verdict.wrong)
    assert text[:first].endswith("\n3. ")
    assert verdicts[first].kept == begun
    # A task knows which step is wrong; a wrong sum may come from the step before.
    assert verdicts[first].earlier == (begun if name == "task" else text.index("1. "))


def test_the_task_refuses_a_wrong_answer_and_one_that_comes_too_early() -> None:
    trace = SUMS[0]
    right = respond(trace)
    answer = right.index("Answer: ")
    read = reader(trace, "task")
    assert read(0, f"{right}0", True) == Verdict(answer, True, answer)
    assert not read(0, f"{right}0", False).wrong  # it may go on
    early = f"Reasoning:\n1. {trace.steps[0].content}\nAnswer: {trace.final_answer}"
    assert read(0, early, True).wrong
    assert not reader(trace, "equations")(0, early, True).wrong
    assert reader(trace, "equations")(
        0, early.replace("Answer: ", "Answer: 2 + 2 = 5, "), True
    ).wrong


def test_what_nobody_can_check_passes() -> None:
    riddle = Trace.of("Who am I?", [], "You.")
    for name in evaluate.CHECKS:
        read = reader(riddle, name)
        assert not read(0, "Reasoning:\n1. A man.\n2. I think.\nAnswer: Me.", True).wrong
        assert not read(0, "I have no style, 2 + 2 = 5.", True).wrong


def test_the_text_that_a_template_puts_before_a_response_is_counted() -> None:
    template = next(name for name, each in TEMPLATES.items() if each.before_response)
    text = f"{TEMPLATES[template].before_response}Reasoning:\n1. 2 + 2 = 5.\n2. "
    read = evaluate.Reader([SUMS[0]], form(template), evaluate.find_named("equations"))
    assert read(0, text, False).kept == text.index("1. ")


@given(st.text(alphabet="Reasoning: 123.\nAnswer+=<>/", max_size=200), st.booleans())
def test_no_text_breaks_a_reader(text: str, whole: bool) -> None:
    for name in evaluate.CHECKS:
        verdict = reader(SUMS[0], name)(0, text, whole)
        assert 0 <= verdict.earlier <= verdict.kept <= len(text)


def test_an_unknown_check_is_told() -> None:
    with pytest.raises(InputError, match="checked: unknown 'equation'"):
        evaluate.find_named("equation")


def test_an_answer_that_was_given_up_is_none() -> None:
    trace = SUMS[0]
    given_up = Generation(respond(trace), 50, False, (), True, 30)
    assert grade("x", trace, given_up)["outcome"] == "no_answer"


@pytest.mark.slow
def test_checked_answers_are_kept_apart_from_plain_ones_and_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = models.create("tiny", TOKENIZER, seed=0, folder=tmp_path / "model")
    items = [(trace.id, trace) for trace in DRAWN[:8]]
    how = form("gemma")
    rendered: Any = {"template": "gemma", "style": "numbered", "system": ""}
    rendered["form_sha256"] = how.sha256
    room: dict[str, Any] = {"max_new_tokens": 8, "batch_size": 8}
    plain = evaluate.predict(folder, items, rendered, **room)
    trial = evaluate.trial.try_checks("task", plain, folder, items, rendered, tmp_path, **room)
    assert [row["answers"] for row in trial.rows] == ["plain", "majority of 3", "checked by task"]
    assert {sum(row[k] for k in ("right", "wrong", "not answered")) for row in trial.rows} == {8}
    card = evaluate.sum_up(trial.checked)
    assert (card["abstained"], card["redrawn"]) == (0, 0.0)
    assert "abstained" not in evaluate.sum_up(plain)
    # A new model writes no steps, so nothing is taken back; and nothing is written twice.
    assert [p["response"] for p in trial.checked] == [p["response"] for p in plain]
    monkeypatch.setattr(answers, "read", None)
    again = evaluate.trial.try_checks("task", plain, folder, items, rendered, tmp_path, **room)
    assert again == trial
    with pytest.raises(TypeError):
        kept = tmp_path / "checked.jsonl"
        evaluate.predict(folder, items, rendered, kept=kept, checked="equations", **room)
