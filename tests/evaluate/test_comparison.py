import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import binom

from tests.conftest import some
from tunix_rt_nb import runs
from tunix_rt_nb.cli import main
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.evaluate import compare, digest, predictions, sum_up, verdict
from tunix_rt_nb.evaluate.grade import grade
from tunix_rt_nb.evaluate.uncertainty import mcnemar, sign_flip
from tunix_rt_nb.report.side_by_side import answers_side_by_side
from tunix_rt_nb.runs import baseline
from tunix_rt_nb.trace.response import Generation, respond
from tunix_rt_nb.trace.trace import Trace

ASKED = {"template": "gemma", "style": "numbered", "form_sha256": "f"}
TRACES = some("arithmetic", 100, seed=3)


def graded(k: int, text: str) -> Any:
    return {**grade(f"{k:03}", TRACES[k], Generation(text, 30, True)), **ASKED}


RIGHT = [graded(k, respond(trace)) for k, trace in enumerate(TRACES)]
WRONG = [graded(k, "Answer: no idea") for k in range(100)]


def answers(right: range) -> list[Any]:
    """A hundred items of which those are answered right."""
    return [RIGHT[k] if k in right else WRONG[k] for k in range(100)]


# The first of two samples is that of HALF, the second that of HALF or MORE.
HALF, MORE, BIT_MORE = answers(range(50)), answers(range(70)), answers(range(52))


TWICE, MIXED = (
    [{**row, "sample": k} for k, rows in enumerate((HALF, second)) for row in rows]
    for second in (HALF, MORE)
)


def test_a_model_that_answers_more_of_the_items_right_is_better() -> None:
    found = compare(HALF, MORE)
    assert found["verdict"] == "better"
    assert (found["gained"], found["lost"], found["n"]) == (20, 0, 100)
    assert found["difference"] == pytest.approx(0.2)
    low, high = found["interval"]
    assert 0.1 < low < 0.2 < high < 0.3
    assert found["p_value"] == mcnemar(20, 0)
    assert found["changed"] == [f"{k:03}" for k in range(50, 70)]
    assert found["more_items"] is None
    assert compare(MORE, HALF)["verdict"] == "worse"


def test_where_one_cannot_tell_it_says_how_many_more_items_would() -> None:
    found = compare(HALF, BIT_MORE)
    assert found["verdict"] == "cannot tell"
    assert found["more_items"] == 293
    assert verdict(found).startswith("cannot tell (293 more items needed): +2.0 points")
    same = compare(HALF, HALF)
    assert (same["verdict"], same["difference"], same["p_value"]) == ("cannot tell", 0.0, 1.0)
    assert same["changed"] == []


def test_the_p_value_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunix_rt_nb.evaluate.uncertainty._RESAMPLES", 10)
    for gained in range(13):
        for lost in (0, 1, 4):
            one, two = range(lost), range(lost, lost + gained)
            found = compare(answers(one), answers(two))
            sure = mcnemar(gained, lost) < 0.05
            told = ("better" if gained > lost else "worse") if sure else "cannot tell"
            assert found["verdict"] == told


def test_the_same_predictions_in_another_order_compare_the_same() -> None:
    assert compare(HALF[::-1], MORE) == compare(HALF, MORE[::-1])


def test_the_figures_are_there_by_section_task_and_difficulty() -> None:
    found = compare(HALF, MORE)
    assert found["tasks"]["arithmetic"]["gained"] == 20
    assert found["sections"].keys() == {"held_out"}
    assert found["difficulties"]["easy"]["n"] == 100
    assert "verdict" not in found["tasks"]["arithmetic"]


def test_items_answered_several_times_are_compared_by_their_means() -> None:
    found = compare(TWICE, MIXED)
    assert (found["difference"], found["gained"], found["lost"]) == (pytest.approx(0.1), 20, 0)
    assert found["p_value"] == sign_flip([0.5] * 20) == pytest.approx(mcnemar(20, 0), abs=1e-3)
    assert found["verdict"] == "better"


@pytest.mark.parametrize("n", range(1, 8))
def test_so_few_items_never_tell_that_all_of_them_got_better(n: int) -> None:
    """As with one answer an item, six of six are the fewest that chance would seldom do."""
    for one, two in ((TWICE, MIXED), (HALF, MORE)):
        few = [[p for p in rows if 50 <= int(p["id"]) < 50 + n] for rows in (one, two)]
        found = compare(*few)
        assert found["verdict"] == ("better" if n >= 6 else "cannot tell")
        low, high = found["interval"]
        assert low < found["difference"] < high or found["difference"] == 1.0


@pytest.mark.parametrize(("n", "seeds"), [(5, 500), (20, 300), (60, 200), (400, 50)])
@pytest.mark.parametrize("samples", [1, 4])
def test_two_models_that_are_the_same_are_seldom_told_apart(
    n: int, seeds: int, samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tunix_rt_nb.evaluate.uncertainty._RESAMPLES", 199
    )  # is fewer, not less careful
    rng, apart = np.random.default_rng(n), 0
    for _ in range(seeds):
        ability = rng.random(n) ** 2
        a, b = ((rng.random((samples, n)) < ability).astype(float) for _ in "ab")
        apart += compare(drawn(a), drawn(b))["verdict"] != "cannot tell"
    most = binom.ppf(0.999, seeds, 0.05)  # of what is called in 5 %
    assert apart <= most


def drawn(scores: np.ndarray) -> list[Any]:
    """The predictions of items that were answered several times, with these scores."""
    alike = {**ASKED, "prompt": "p", "expected_answer": "a", "steps_right": 0.5}
    return [
        {**alike, "id": f"{k:03}", "sample": sample, "score": score}
        for sample, row in enumerate(scores)
        for k, score in enumerate(row)
    ]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (MORE[:99], "different eval sets: 1 items are in only one of them, such as '099'"),
        (
            [{**row, "prompt": "p"} for row in MORE],
            "have different eval sets: prompt of '000' is 'Work out ",
        ),
        (
            [{**row, "template": "chatml"} for row in MORE],
            "different templates: template of '000' is",
        ),
        (
            [{**row, "style": "tags"} for row in MORE],
            "different styles: style of '000' is 'numbered'",
        ),
        (
            [{**row, "form_sha256": "g"} for row in MORE],
            "different forms: form_sha256 of '000' is 'f'",
        ),
        (
            [*MORE, {**MORE[3], "sample": 1, "style": "tags"}],
            "different styles: style of '003' is 'numbered' and 'tags'",
        ),
        ([*MORE, {**MORE[3], "sample": 1}], "answers to '003': 1 of A and 2 of B; evaluate"),
    ],
)
def test_what_does_not_compare_is_refused(other: list[Any], told: str) -> None:
    with pytest.raises(InputError) as error:
        compare(HALF, other)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_two_answers_stand_side_by_side_step_by_step() -> None:
    other = {**HALF[0], "response": HALF[0]["response"].replace("1. ", "1. So "), "answer": "x"}
    lines = answers_side_by_side(HALF[0], other, 120).splitlines()
    assert [line[:6].strip() for line in lines] == ["prompt", *["step"] * 4, "answer"]
    assert " ~ So " in lines[1]
    assert answers_side_by_side(HALF[99], HALF[0], 120).count(" > ") == 4  # no steps beside four


def written(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_lines(path, rows)
    return path


def line(**changed: Any) -> str:
    return json.dumps({**HALF[1], **changed})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no predictions, expected JSON lines"),
        ("{", "x.jsonl:1: not a JSON object: "),
        ("[]", "x.jsonl:1: expected a JSON object, found list"),
        ("[" * 100_000, "x.jsonl:1: not a JSON object: "),
        ('{"id": "1"}', "x.jsonl:1: prompt: Field required"),
        (line(style=None), "x.jsonl:1: style: Input should be a valid string"),
        (json.dumps({n: v for n, v in HALF[1].items() if n not in ASKED}), "template: Field req"),
        (line(score=float("nan")), "x.jsonl:1: score: Input should be"),
        (line(steps_right=7), "x.jsonl:1: steps_right: Input should be less than or equal to 1"),
        (line(answer=7), "x.jsonl:1: answer: Input should be a valid string"),
        (f"{line()}\n{line()}", "x.jsonl:2: id: '001' is the id of an earlier line"),
    ],
)
def test_damaged_predictions_are_refused_with_file_and_line(
    tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "x.jsonl").write_text(text)
    with pytest.raises(InputError) as error:
        predictions.read(tmp_path / "x.jsonl")
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_steps_are_compared_where_both_are_checked() -> None:
    unknown = [{**row, "steps_right": None} for row in HALF]
    assert compare(unknown, MORE)["steps_difference"] is None
    assert compare(unknown, MORE)["steps_interval"] is None
    mixed = [*MORE[:50], *unknown[50:]]
    assert compare(HALF, mixed)["steps_difference"] == 0.0
    assert compare(HALF, MORE)["steps_difference"] == pytest.approx(0.2)


def test_items_of_no_known_task_are_those_that_were_asked(tmp_path: Path) -> None:
    trace = Trace.of("Why?", [("s", "x")], "So.", {"category": "arithmetic"})
    told = {**grade("w", trace, Generation("Answer: So", 30, True)), **ASKED}
    read = predictions.read(written(tmp_path / "x.jsonl", [told]))
    [(name, item)] = predictions.items_of(read)
    assert (name, item.prompt, item.final_answer) == ("w", "Why?", "So.")
    again = grade(name, item, Generation("Answer: So", 30, True))
    assert (again["task"], again["score"], again["grader"]) == ("arithmetic", 1.0, "exact")


def test_older_predictions_are_still_read(tmp_path: Path) -> None:
    new = ("grader", "disagree", "step_counts")
    older = [{name: value for name, value in row.items() if name not in new} for row in HALF]
    read = predictions.read(written(tmp_path / "x.jsonl", older))
    assert sum_up(read) == sum_up(HALF)
    assert [trace.task for _, trace in predictions.items_of(read)] == ["arithmetic"] * 100


CHAT = {
    "earlier_messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How old is she?"},
        {"role": "assistant", "content": "She is 7."},
    ]
}


@pytest.mark.parametrize("prompt", ["What is 17 + 20 - 36?", "Why?"])
def test_predictions_hold_the_messages_before_their_prompt(prompt: str, tmp_path: Path) -> None:
    trace = Trace.of(prompt, [("s", "x")], "1", {"task": "arithmetic", **CHAT})
    told = {**grade("w", trace, Generation("Answer: 1", 30, True)), **ASKED}
    assert told["earlier_messages"] == CHAT["earlier_messages"]
    read = predictions.read(written(tmp_path / "x.jsonl", [told]))
    items = predictions.items_of(read)
    assert [(name, item.prompt, item.earlier) for name, item in items] == [
        ("w", prompt, trace.earlier)
    ]
    predictions.check_of(read, items)
    assert digest([("w", trace)]) == sum_up(read)["items_sha256"]
    bare = {name: value for name, value in told.items() if name not in CHAT}
    assert grade("w", Trace.of(prompt, [], "1"), Generation("", 0, True)).keys().isdisjoint(CHAT)
    assert sum_up([bare])["items_sha256"] != sum_up(read)["items_sha256"]
    with pytest.raises(InputError, match="different eval sets: earlier_messages of 'w' is "):
        compare([bare], [told])


@pytest.mark.parametrize("messages", ["hi", [{"role": "user"}], CHAT["earlier_messages"][::-1]])
def test_malformed_messages_before_a_prompt_are_refused(messages: Any, tmp_path: Path) -> None:
    path = written(tmp_path / "x.jsonl", [{**HALF[0], "earlier_messages": messages}])
    with pytest.raises(InputError, match=r"x\.jsonl:1: earlier_messages\S*: [^:]+$"):
        predictions.read(path)


def test_predictions_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert predictions.read(written(tmp_path / "x.jsonl", HALF)) == HALF


def test_predictions_of_another_set_are_refused() -> None:
    items = [(f"{k:03}", trace) for k, trace in enumerate(TRACES)]
    predictions.check_of(HALF, items)
    with pytest.raises(InputError, match="are of another eval set: this one has no item '099'"):
        predictions.check_of(HALF, items[:99])
    with pytest.raises(
        InputError, match="another eval set: the prompt or the earlier .* of '000' differ"
    ):
        predictions.check_of(HALF, [("000", TRACES[1])])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with two runs that are evaluated."""
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    for name, rows in (("one", HALF), ("two", MORE)):
        folder = tmp_path / "runs" / name / "5_evaluate"
        written(folder / "predictions-after.jsonl", rows)
        card, path = sum_up(rows), folder / "predictions-after.jsonl"
        outputs = {path.name: files.sha256(path)}
        files.write_json(folder / "result.json", {"inputs": {}, "outputs": outputs, "after": card})
    return tmp_path


def invoke(*arguments: str, code: int = 0) -> str:
    told = CliRunner().invoke(main, ["runs", *arguments])
    assert told.exit_code == code, told.output
    return told.output


def test_runs_are_compared_from_the_command_line(home: Path) -> None:
    told = invoke("compare", "one", "two", "--show", "1")
    assert "B against A: better: +20.0 points (" in told
    assert "20 items gained, 0 lost" in told
    assert "050, gained:" in told
    assert "051, gained:" not in told
    folder = str(home / "runs/two")
    found = json.loads(invoke("compare", "two", folder, "--json"))
    assert (found["verdict"], found["n"]) == ("cannot tell", 100)
    few = written(home / "few.jsonl", MORE[:49])
    assert "49 items are few, 50 and more decide better" in invoke("compare", str(few), str(few))
    assert "three: has no predictions" in invoke("compare", "one", "three", code=2)
    assert "unknown 'twoo', did you mean two?" in invoke("compare", "one", "twoo", code=2)


def test_an_item_is_gained_by_the_mean_of_its_answers(home: Path) -> None:
    once, twice = (str(written(home / f"{n}.jsonl", rows)) for n, rows in ((1, TWICE), (2, MIXED)))
    told = invoke("compare", once, twice, "--show", "1")
    assert "20 items gained, 0 lost" in told
    assert "050, gained:" in told
    assert "~ no idea" not in told and f"~ {TRACES[50].final_answer}" in told
    assert "050, lost:" in invoke("compare", twice, once, "--show", "1")


def test_predictions_of_a_run_that_were_altered_are_not_compared(home: Path) -> None:
    path = home / "runs/two/5_evaluate/predictions-after.jsonl"
    path.write_text(path.read_text().replace('"score": 0.0', '"score": 1.0'))
    told = invoke("compare", "one", "two", code=2)
    assert "predictions-after.jsonl: was altered after the evaluation, run 5_evaluate" in told


def test_a_run_is_held_to_a_baseline_from_the_command_line(home: Path) -> None:
    assert "accuracy: primary_score 0.7000 of two, limit 0.6650" in invoke(
        "baseline", "accuracy", "two", "--take"
    )
    assert json.loads(invoke("baseline", "accuracy", "--json"))["items_sha256"]
    assert invoke("baseline", "accuracy", "two").startswith("pass: primary_score is 0.7000")
    assert invoke("baseline", "accuracy", "one", code=1).startswith(
        "regressed: primary_score is 0.5"
    )
    missing = invoke("baseline", "other", "one", code=2)
    assert "baselines/other.json does not exist, make it from a run" in missing
    assert "expected a RUN" in invoke("baseline", "accuracy", "--take", code=2)


ASKED_OF = {"items_sha256": "x", "form_sha256": "f"}
CARD = {"primary_score": 0.5, "ran_on": 0.1, "tasks": {"a": {"score": 0.0}}, **ASKED_OF}


@pytest.mark.parametrize(
    ("metric", "direction", "value", "regressed"),
    [
        ("primary_score", "higher", 0.475, False),
        ("primary_score", "higher", 0.4749, True),
        ("primary_score", "higher", 0.9, False),
        ("ran_on", "lower", 0.105, False),
        ("ran_on", "lower", 0.1051, True),
        ("ran_on", "lower", 0.0, False),
    ],
)
def test_a_figure_may_be_worse_by_its_tolerance_and_no_more(
    metric: str, direction: str, value: float, regressed: bool
) -> None:
    base = baseline.take("b", CARD, metric, direction)
    assert baseline.check(base, {**CARD, metric: value}).regressed == regressed


@pytest.mark.parametrize("direction", ["higher", "lower"])
def test_a_figure_that_is_no_number_never_passes(direction: str) -> None:
    base = baseline.take("b", CARD, direction=direction)
    for value in (float("nan"), float("inf"), -float("inf")):
        with pytest.raises(InputError, match=f"primary_score is {value}, expected a finite number"):
            baseline.check(base, {**CARD, "primary_score": value})
        with pytest.raises(InputError, match="expected a finite number"):
            baseline.take("b", {**CARD, "primary_score": value})
    assert baseline.Verdict(base, float("nan")).regressed


def test_a_baseline_is_written_and_read_as_it_is(home: Path) -> None:
    base = baseline.take("b", CARD, "tasks.a.score", tolerance=0.0, run="one")
    assert baseline.write(base) == home / "baselines/b.json"
    assert baseline.read("b") == baseline.read(str(home / "baselines/b.json")) == base


def test_the_notebook_holds_items_to_a_baseline_before_any_is_asked() -> None:
    cells = json.loads(runs.notebook_of("evaluate").read_text())["cells"]
    source = "\n".join("".join(cell["source"]) for cell in cells)
    held, asked = source.index("baseline.check_asked("), source.index("evaluate.predict(")
    assert held < asked
    finished, judged = source.index("step.finish("), source.index("judge.second_opinion(")
    assert finished < source.index("write_page(") < judged  # it may be down


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        ("primary", "metric: unknown 'primary', did you mean primary_score?"),
        ("tasks.a", "metric: tasks.a is a dict, expected a number"),
        ("tasks.b.score", "metric.tasks: unknown 'b', expected one of: a"),
        ("items_sha256", "metric: items_sha256 is a str, expected a number"),
    ],
)
def test_a_metric_that_a_scorecard_lacks_is_named(metric: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        baseline.take("b", CARD, metric)


def test_baselines_that_mean_nothing_are_refused(home: Path) -> None:
    base = baseline.take("b", CARD)
    with pytest.raises(InputError, match="baseline b: is from an evaluation on other items, so"):
        baseline.check(base, {**CARD, "items_sha256": "y"})
    with pytest.raises(InputError, match="from an evaluation in another template or style, so"):
        baseline.check(base, {**CARD, "form_sha256": "g"})
    for fields, told in (
        ({"tolerance": -1}, "tolerance: Input should be greater than or equal to 0"),
        ({"value": "nan"}, "value: Input should be a finite number"),
        ({"direction": "up"}, "direction: Input should be 'higher' or 'lower'"),
        ({"speed": 1}, "speed: Extra inputs are not permitted"),
    ):
        files.write_json(home / "b.json", {**base.model_dump(), **fields})
        with pytest.raises(InputError, match=rf"b\.json: {told}"):
            baseline.read(str(home / "b.json"))
    with pytest.raises(InputError, match="baseline: '../b' is unsafe"):
        baseline.take("../b", CARD)
