"""The page of a run: whole in itself, the same each time, and no text in it is markup."""

import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from tests.helpers.odd import texts
from tests.helpers.run_folders import (
    TRACES,
    complete,
    evaluated,
    predictions,
    right,
    trained,
    wrong,
)
from tunix_rt_nb import runs
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.evaluate import judge
from tunix_rt_nb.evaluate.predictions import of_run
from tunix_rt_nb.report import page, templates
from tunix_rt_nb.trace import Earlier

VOID = {"meta", "br", "img"}


class Reader(HTMLParser):
    """The elements of a page, each closed in its turn, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = evaluated(tmp_path_factory.mktemp("home"), n_right=4)
    losses = [{"step": n, "loss": 4.0 / n} for n in range(1, 9)]
    files.write_lines(run / "4_train" / "metrics.jsonl", [*losses, {"step": 8, "eval_loss": 0.5}])
    return run


@pytest.fixture(scope="module")
def values(run: Path) -> Any:
    return page._values(run)


@pytest.fixture(scope="module")
def text(run: Path) -> str:
    return page.page(run)


@pytest.fixture(scope="module")
def plain(text: str) -> Reader:
    return Reader(text)


def told(text: str) -> str:
    return " ".join(Reader(text).text.split())


def test_the_page_tells_the_run_from_scores_to_lineage(run: Path, text: str) -> None:
    text = told(text)
    assert "0.0 % of the answers were right before training, 33.3 % after it" in text
    assert "arithmetic 6 0.0 % 66.7 %" in text
    assert "all, in the style exactly 12 0.0 % 33.3 %" in text
    assert "✗ 12 items are few: the interval is 47 points wide" in text
    assert "easy 12 0.0 % 33.3 %" in text
    assert "right answer, no wrong step 0 4" in text
    assert "wrong step, wrong answer 0 8" in text
    assert "no answer 12 0" in text
    assert "high_card_duel 2 6" in text  # where solutions go wrong first
    for step in runs.STEPS[:-1]:
        assert runs.content_hash(run / runs.stem(step)) in text
    assert "dataset: sums-v1" in text
    assert "train STEPS 8" in text


def test_the_first_wrong_step_of_the_worst_items_is_marked(text: str) -> None:
    articles = re.findall('<article class="wrong">.*?</article>', text, re.DOTALL)
    assert len(articles) == 8
    for article in articles:
        [(first, reason)] = re.findall(
            r'<li class="first"><span class="text">(.*?)</span>.*?<span class="text why">(.*?)<',
            article,
        )
        assert first == "I guess."
        assert reason.startswith("expected")
        assert article.count('<li class="right">') == 1
        assert "the first wrong step" in article


def test_beside_a_wrong_answer_stands_a_right_one_of_its_task(text: str) -> None:
    pairs = re.findall('<div class="pair">.*?</div>', text, re.DOTALL)
    kinds = [re.findall('<article class="(.*?)">', pair) for pair in pairs]
    assert kinds.count(["wrong", "good"]) == 2  # none of the other task is right
    assert kinds.count(["wrong"]) == 6
    for pair in pairs:
        assert len(set(re.findall("(arithmetic|high_card_duel), easy", pair))) == 1


def test_the_chart_has_a_bar_for_each_share_of_the_table(text: str) -> None:
    [chart] = re.findall('<div class="chart".*?</div>', text, re.DOTALL)
    assert told(chart).startswith("arithmetic: answers 0.0 % 66.7 % arithmetic: steps 0.0 % 75.0 %")
    assert re.findall('class="after" style="width: (.*?)%"', chart)[0] == "66.7"


def test_each_table_scrolls_in_a_box_and_says_what_its_heads_are_for(text: str) -> None:
    boxes = re.findall(r'<div class="scroll" role="region" aria-label="[^"]+" tabindex="0">', text)
    assert len(boxes) == text.count("<table>") > 6
    assert "<th>" not in text and text.count('scope="row"') > 10


def shown_ids(text: str) -> list[str]:
    """Return the ids of the wrong answers on a page."""
    articles = re.findall('<article class="wrong">.*?</article>', text, re.DOTALL)
    return [found for one in articles for found in re.findall('class="hash">([0-9a-f-]{36})<', one)]


def test_ten_items_are_shown_the_worst_first(tmp_path: Path) -> None:
    run = trained(tmp_path)
    after = predictions([wrong(t) if n else "" for n, t in enumerate(TRACES)])
    complete(run, after, after)
    ids = shown_ids(page.page(run))
    assert len(ids) == 10
    assert ids[0] == TRACES[0].id


def test_an_item_that_was_answered_several_times_is_one_item(tmp_path: Path) -> None:
    run = trained(tmp_path)
    after = [
        {**p, "sample": k}
        for k in range(4)
        for p in predictions([wrong(TRACES[0]), wrong(TRACES[1]), *map(right, TRACES[2:])])
    ]
    complete(run, after, after)
    text = page.page(run)
    assert shown_ids(text) == sorted(t.id for t in TRACES[:2])
    assert "arithmetic 2 2 expected" in told(text)


def test_items_that_were_skipped_are_told(tmp_path: Path) -> None:
    run = trained(tmp_path)
    after = predictions([right(t) for t in TRACES])
    complete(run, after, after, {"of no known task": 1_000, "beyond 6 of a task": 3})
    text = told(page.page(run))
    assert "after it (95 % interval 75.8 % to 100.0 %), of 12 items" in text
    assert (
        "3 more items were skipped: beyond 6 of a task. 1,000 more items were skipped: of no"
        in text
    )


def test_a_missing_step_is_marked_where_it_is_missing(tmp_path: Path) -> None:
    short = f"Reasoning:\n1. {TRACES[0].steps[0].content}\nAnswer: {TRACES[0].final_answer}"
    after = predictions([short, *map(right, TRACES[1:])])
    run = trained(tmp_path)
    complete(run, [{**p, "first_wrong": 2 if p["steps_right"] < 1 else None} for p in after], after)
    [article] = re.findall('<article class="wrong">.*?</article>', page.page(run), re.DOTALL)
    assert "✗ (a step is missing here)" in article
    assert "✗ Right answer for wrong reasons" in article


def test_steps_that_nobody_can_check_are_neither_ticked_nor_counted(tmp_path: Path) -> None:
    run = trained(tmp_path)
    after = predictions([wrong(t) for t in TRACES])
    unknown: dict[str, Any] = {
        "steps_right": None,
        "first_wrong": None,
        "wrong_steps": {},
        "grader": "none",
    }
    rows = [{**p, **unknown, "outcome": "right_reasons_wrong_answer"} for p in after]
    complete(run, rows, rows)
    text = page.page(run)
    assert "A program checked each step" not in text
    assert '<li class="unchecked">' in text
    assert "</span>&nbsp;✓" not in text and "</span>&nbsp;·" in text


def test_own_questions_have_no_difficulty(tmp_path: Path) -> None:
    run = trained(tmp_path)
    rows = [{**p, "difficulty": None} for p in predictions([wrong(t) for t in TRACES])]
    complete(run, rows, rows)
    text = page.page(run)
    assert '<th scope="row">no difficulty</th>' in text
    assert "None" not in text


def test_where_nothing_is_wrong_the_page_says_so(tmp_path: Path) -> None:
    run = evaluated(tmp_path, n_right=12)
    text = page.page(run)
    assert "None is wrong: every answer is right, and so is every step." in text
    assert text.count('<article class="good">') == 4


def test_the_page_needs_nothing_else(text: str) -> None:
    found = Reader(text)
    assert not {"script", "link", "iframe", "a"} & found.elements.keys()
    loaded = [value for name, value in found.attributes if name in ("src", "href")]
    assert loaded and all(value and value.startswith("data:") for value in loaded)
    assert '<body class="tex2jax_ignore mathjax_ignore">' in text
    [policy] = [v for n, v in found.attributes if n == "content" and v and "default-src" in v]
    assert "default-src 'none'" in policy


def test_the_same_run_has_the_same_page_wherever_it_is(
    run: Path, text: str, tmp_path: Path
) -> None:
    copied = shutil.copytree(run, tmp_path / "elsewhere" / run.name)
    first = page.write_page(copied)
    assert first == copied / "report.html"
    assert first.read_text() == text


@settings(max_examples=20)
@given(
    texts(
        [
            "<script>alert(1)</script>",
            "</article>",
            "{{ 7*7 }}",
            "{% x %}",
            "&lt;",
            "' x=\"",
            "\n1. ",
        ]
    )
)
def test_whatever_a_trace_or_a_model_says_is_text(
    run: Path, values: Any, plain: Reader, odd: str
) -> None:
    after = [
        {**p, **dict.fromkeys(("prompt", "response", "expected_answer", "task", "id"), odd)}
        | {"answer": odd, "wrong_steps": {"1": odd}, "strict_format": False}
        for p in of_run(run / "5_evaluate", "after")[-8:]
    ]
    shown = [page.laid_out(p) for p in after]
    told = [(one, good) for one, (_, good) in zip(shown, values["pairs"], strict=True)]
    said: Any = {"run": odd, "pairs": told, "places": page._places(after)}
    said["form"] = {"template": odd, "style": odd, "system": odd}
    found = Reader(templates.template("page.html.jinja").render({**values, **said}))
    assert found.elements["article"] == plain.elements["article"]
    items = [item for pair in told for item in pair if item]
    assert found.elements["li"] == sum(len(item["steps"]) + item["missing"] for item in items)
    assert not found.elements.keys() - plain.elements.keys() - {"q", "details", "summary"}
    assert {name for name, _ in found.attributes} == {name for name, _ in plain.attributes}


def test_the_messages_before_a_prompt_are_shown_as_text(tmp_path: Path) -> None:
    run = trained(tmp_path)
    chat = Earlier("<b>Be brief.</b>", (("q", "a" * 3_000),)).messages()
    answers = predictions([wrong(t) for t in TRACES])
    told = [{**p, "earlier_messages": chat, "disagree": {"words": 1.0}} for p in answers]
    for row in told:
        del row["wrong_steps"]
    complete(run, told, told)
    text = page.page(run)
    assert text.count("system: &lt;b&gt;Be brief.&lt;/b&gt;\nuser: q\nassistant: aaa") == 20
    assert "a" * 2_001 not in text
    assert re.search(r"aaa \.\.\. \(1,0\d\d characters more\)", text)


def test_a_text_of_100_000_characters_is_shown_in_part(tmp_path: Path) -> None:
    run = trained(tmp_path)
    after = predictions(["Answer: " + "9" * 100_000] * len(TRACES))
    complete(run, after, after)
    text = page.page(run)
    assert len(text) < 150_000
    assert "characters more" in text


def test_control_characters_are_shown_as_replaced(tmp_path: Path) -> None:
    run = trained(tmp_path)
    after = predictions(["Answer: \x00\x1b[31m\u202e"] * len(TRACES))
    complete(run, after, after)
    assert not re.search("[\x00\x1b\u202e]", page.page(run))


def test_a_judges_view_is_on_it_once_there_is_one(tmp_path: Path) -> None:
    run = evaluated(tmp_path)
    scores = dict.fromkeys(judge.CRITERIA, 4.0)
    files.write_lines(
        run / judge.FILE,
        [
            {"id": p["id"], "judge": "gemma", "prompt": judge.messages(p), "raw": "x"}
            | {"scores": scores, "score": 0.75, "problem": None}
            for p in of_run(run / "5_evaluate", "after")
        ],
    )
    assert "gemma 12 12 75.0 % 4.00 4.00 4.00" in told(page.page(run))


def test_a_run_that_cannot_have_a_page_says_why(tmp_path: Path) -> None:
    run = trained(tmp_path)
    with pytest.raises(InputError, match="5_evaluate/result.json: is missing"):
        page.page(run)
    path = evaluated(tmp_path, "two") / "5_evaluate" / "predictions-before.jsonl"
    path.write_text("")
    with pytest.raises(InputError, match="predictions-before.jsonl: was altered"):
        page.page(path.parent.parent)


def test_outcomes_are_told_apart() -> None:
    base = {"answer": "7", "score": 1.0, "steps_right": 1.0}
    assert page.outcome(base) == "right"
    assert page.outcome({**base, "steps_right": 0.5}) == "right_answer_wrong_reasons"
    assert page.outcome({**base, "score": 0.0}) == "right_reasons_wrong_answer"
    assert page.outcome({**base, "score": 0.0, "steps_right": 0.0}) == "wrong"
    assert page.outcome({**base, "answer": None, "score": 0.0}) == "no_answer"
    assert page.outcome({**base, "outcome": "wrong"}) == "wrong"
