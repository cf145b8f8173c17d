"""The file of a round: what is read is what was written, and only by the same run."""

from pathlib import Path
from typing import Any

import pytest

from tests.improve.attempts import attempt, response, tokenizer
from tunix_rt_nb.common import InputError
from tunix_rt_nb.improve import attempts as module
from tunix_rt_nb.improve.attempts import Attempt
from tunix_rt_nb.trace import form

MADE = [
    attempt(text, number, sample=k)
    for number in range(2)
    for k, text in enumerate((response(), response(wrong=2), "Hm."))
]


def written(folder: Path) -> Path:
    path = module.path_of(folder / "rounds", 0)
    module.write(path, "this run", [one.graded for one in MADE])
    return path


def test_attempts_that_are_written_are_read(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert path.name == "round-01.jsonl"
    lines = module.read(path, "this run")
    assert lines == [one.graded for one in MADE]
    asked = [MADE[0].asked, MADE[3].asked]
    assert module.attempts_of(lines, asked, tokenizer(), form()) == MADE


def test_a_missing_file_or_one_of_another_run_is_answered_anew(tmp_path: Path) -> None:
    assert module.read(tmp_path / "round-01.jsonl", "this run") is None
    assert module.read(written(tmp_path), "another run") is None


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"", b"", "not enough values"),
        (b"\n", b"", "1: not a JSON object"),
        (b'"answers":', b'"answered":', "6 answers, expected None"),
        (b'"strict_score": 1.0', b'"strict_score": "1"', "2: strict_score: "),
        (b'"ids": [', b'"ids": ["x", ', "2: ids.0: "),
        (b'"ids"', b'"numbers"', "2: ids: Field required"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, old: bytes, new: bytes, says: str) -> None:
    path = written(tmp_path)
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new) if old else b"")
    with pytest.raises(InputError, match=rf"round-01\.jsonl: is damaged, remove it: .*{says}"):
        module.read(path, "this run")


@pytest.mark.parametrize("left", [1, 3])
def test_a_file_that_lost_answers_is_damaged(tmp_path: Path, left: int) -> None:
    path = written(tmp_path)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:left]))
    with pytest.raises(InputError, match=f"is damaged, remove it: {left - 1} answers, expected 6"):
        module.read(path, "this run")


def test_the_first_wrong_step_is_told_with_its_number() -> None:
    told = [one.first_wrong for one in MADE[:3]]
    assert told[0] == told[2] == ""
    assert told[1] == "2. Tens: 1+2=93, so 17+20=937."


def test_the_length_counts_prompt_answer_and_stop_token() -> None:
    one: Attempt = MADE[0]
    graded: Any = one.graded
    assert one.length == len(one.prompt) + graded["tokens"] + 1
