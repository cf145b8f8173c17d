from pathlib import Path

import pytest
from click.testing import CliRunner

from tunix_rt_nb.cli import main
from tunix_rt_nb.common import files
from tunix_rt_nb.dataset.clean import REASONS
from tunix_rt_nb.runs.sieves import SIEVES, notes


def test_every_reason_to_leave_a_trace_out_has_its_sieve() -> None:
    assert list(SIEVES) == [*REASONS, "too_long"]


@pytest.mark.parametrize(("left_out", "told"), [(0, False), (10, False), (11, True), (100, True)])
def test_a_sieve_is_told_that_takes_more_than_a_tenth(left_out: int, told: bool) -> None:
    result = {"examples": {"train": 100 - left_out, "eval": 0}, "rejected": {"too_long": left_out}}
    said = (
        f"long examples: {left_out} of 100 left out, more than a tenth: MAX_LENGTH sets the longest"
    )
    assert notes(result) == [said] * told


def test_what_counts_nothing_tells_nothing() -> None:
    [told] = notes({"examples": {"train": 9, "eval": 1}, "read_otherwise": 2})
    assert told == "2 responses read back with other steps: a line in a step begins like a step"
    assert notes({"steps": 3}) == notes({"split": {"train": 1, "eval": 0}, "rejected": {}}) == []


@pytest.mark.slow
def test_the_chain_tells_much_that_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    words = [f"{word} and so on, more and more" for word in ("cat", "dog", "hen", "pig", "cow")]
    lines = [
        {"prompt": f"A {word}{end}", "steps": [{"i": 0, "type": "s", "content": "t"}]}
        for word in words
        for end in ("", "!")
    ]
    path = tmp_path / "mine.jsonl"
    files.write_lines(path, [{**line, "final_answer": "a"} for line in lines])
    given = {"TRACES": "{}", "IMPORT": f"[{path}]", "NEAR_DUPLICATES": "1.0", "EVAL_SETS": "[]"}
    settings = [f"--set={name}={value}" for name, value in given.items()]
    for _ in range(2):
        told = CliRunner().invoke(main, ["run", "--to=build", *settings])
        assert told.exit_code == 0, told.output
        assert (
            "near duplicates: 5 of 10 left out, more than a tenth: NEAR_DUPLICATES sets the"
            " threshold\n"
        ) in told.stderr
