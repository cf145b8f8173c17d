"""The ladder as a whole: order, disagreement, and graders of one's own."""

from pathlib import Path

import pytest

from tunix_rt_nb import evaluate
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.evaluate.graders.ladder import RUNGS

HEAD = "def grade(answer, expected, prompt):\n"


def own(folder: Path, body: str) -> evaluate.Own:
    path = folder / "mine.py"
    path.write_text(body)
    return evaluate.load_grader(path)


def test_the_rungs_stand_in_order_and_each_says_what_it_makes_of_an_answer() -> None:
    found = evaluate.verdicts("1,000", "1000")
    assert list(found) == list(RUNGS) == ["exact", "text", "number", "choice", "maths"]
    assert [name for name, verdict in found.items() if verdict.score is not None] == ["number"]
    assert all(verdict.why for verdict in found.values())


def test_a_mark_is_strict_only_without_marks_around_the_answer() -> None:
    assert evaluate.mark("4", "4") == evaluate.Marked(1.0, 1.0, "exact", "the same characters")
    assert evaluate.mark("**4**", "4")[:2] == (1.0, 0.0)
    assert evaluate.mark("4.0", "4")[:2] == (1.0, 1.0)


def test_what_equals_the_expected_text_is_right_with_its_marks() -> None:
    assert evaluate.mark("Answer: 4. Wait, 5.", "Answer: 4. Wait, 5.").score == 1.0


def test_rungs_that_disagree_are_listed(tmp_path: Path) -> None:
    strict = own(tmp_path, HEAD + "    return 0.25")
    found = evaluate.mark("4", "4", own=strict)
    assert (found.score, found.grader) == (0.25, "own")
    assert found.disagree == (("exact", 1.0), ("text", 1.0), ("number", 1.0))
    assert evaluate.mark("1,000", "1000").disagree == ()


def test_an_own_grader_decides_first_and_sees_the_prompt(tmp_path: Path) -> None:
    mine = own(tmp_path, HEAD + "    return float(answer in prompt)")
    assert evaluate.mark("cat", "dog", "a cat", mine)[:3] == (1.0, 1.0, "own")
    assert evaluate.mark("cow", "cow", "a cat", mine)[:3] == (0.0, 0.0, "own")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("x = 1\n", r"mine.py: has no function grade, expected `def grade\(answer, expected, pr"),
        ("grade = 1\n", "mine.py: has no function grade"),
        ("def grade(:\n", "mine.py:1: SyntaxError: "),
        ("import nothing_of_that_name\n", "mine.py:1: ModuleNotFoundError: No module named"),
        ("x = 1\ny = x / 0\n", "mine.py:2: ZeroDivisionError: division by zero"),
        (
            HEAD + "    x = 1\n    return 1 / 0",
            "mine.py:3: ZeroDivisionError: division by zero for",
        ),
        (HEAD + "    return 1.5", "mine.py:1: grade: returned 1.5 for the answer '1', expected"),
        (HEAD + "    return float('nan')", "mine.py:1: grade: returned nan"),
        (HEAD + "    return -1", "mine.py:1: grade: returned -1"),
        (HEAD + "    return 'yes'", "mine.py:1: grade: returned 'yes'"),
        (HEAD + "    pass", "mine.py:1: grade: returned None"),
        ("def grade(answer):\n    return 1.0", r"mine.py: TypeError: grade\(\) takes 1 pos"),
    ],
)
def test_a_wrong_grader_is_told_by_file_and_line(tmp_path: Path, body: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        own(tmp_path, body)


def test_a_grader_that_fails_later_is_told_with_the_answer(tmp_path: Path) -> None:
    mine = own(tmp_path, HEAD + "    return float(int(answer) == int(expected))")
    assert evaluate.mark("4", "4", own=mine).score == 1.0
    with pytest.raises(InputError, match=r"mine.py:2: ValueError: .* for the answer 'x', exp"):
        evaluate.mark("x", "4", own=mine)


@pytest.mark.parametrize("name", ["nowhere.py", "mine.txt", ""])
def test_what_is_no_python_file_is_no_grader(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(InputError, match="is no Python file, expected `def grade"):
        evaluate.load_grader(tmp_path / name)


def test_an_answer_is_looked_at_without_its_marks() -> None:
    bare, rungs = evaluate.look("The answer is $4.0$.", r"\boxed{4}")
    assert bare == "4.0"
    assert rungs["number"].score == 1.0
    assert evaluate.look("**4**", "**4**")[0] == "**4**"
