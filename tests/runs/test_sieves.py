from pathlib import Path

import pytest
from click.testing import CliRunner

from tunix_rt_nb.cli import main
from tunix_rt_nb.common import files
from tunix_rt_nb.dataset.clean import REASONS
from tunix_rt_nb.runs.sieves import SIEVES, SKIPPED, notes, notes_of


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


@pytest.mark.parametrize("n", [1, 20, 23])
def test_lines_that_an_import_left_out_are_told_and_said_to_be_listed(
    tmp_path: Path, n: int
) -> None:
    files.write_json(tmp_path / "result.json", {"inputs": {}, "outputs": {}})
    assert notes_of(tmp_path) == []
    lines = [f"x.jsonl:{k}: wrong" for k in range(n)]
    (tmp_path / SKIPPED).write_text("".join(f"{line}\n" for line in lines))
    told = notes_of(tmp_path)
    count = "1 line" if n == 1 else f"{n} lines"
    assert told[0] == f"{count} skipped, listed in {tmp_path / SKIPPED}:"
    assert told[1:21] == lines[:20]
    assert told[21:] == ["… and 3 more"] * (n == 23)


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
    files.write_lines(path, [*({**line, "final_answer": "a"} for line in lines), {"foo": 1}])
    given = {"IMPORT": f"[{path}]", "NEAR_DUPLICATES": "1.0", "EVAL_SETS": "[]", "SKIP_BAD": "true"}
    settings = [f"--set={name}={value}" for name, value in given.items()]
    for _ in range(2):
        told = CliRunner().invoke(main, ["run", "--to=build", *settings])
        assert told.exit_code == 0, told.output
        assert (
            "near duplicates: 5 of 10 left out, more than a tenth: NEAR_DUPLICATES sets the"
            " threshold\n"
        ) in told.stderr
        assert "1 line skipped, listed in " in told.stderr
        assert f"{path}:11: no known format: its keys are foo; " in told.stderr
