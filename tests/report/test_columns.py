from typing import Any

from hypothesis import given, settings, strategies as st

from tests.helpers.odd import texts
from tunix_rt_nb.report import text_table

WORDS = st.text("abcdefgh.<&|", min_size=1, max_size=12)


def table(*lines: str) -> str:
    return "\n".join(lines)


def test_whole_numbers_stand_on_the_right_and_all_else_on_the_left() -> None:
    rows = [
        {"task": "sums", "traces": 1_234_567, "share": 0.5, "tags": ["a", "b"]},
        {"task": "cards", "traces": 7, "share": 12.25, "tags": []},
    ]
    assert text_table(rows) == table(
        "task      traces  share  tags",
        "sums   1,234,567  0.5    a, b",
        "cards          7  12.25",
    )


def test_columns_that_are_named_stand_on_the_right_too() -> None:
    rows = [{"task": "sums", "score": "8.5 %"}, {"task": "all of it", "score": "100.0 %"}]
    assert text_table(rows, right=["score", "task"]) == table(
        "     task    score",
        "     sums    8.5 %",
        "all of it  100.0 %",
    )


def test_a_table_may_do_without_its_head() -> None:
    rows = [{"name of it": "a", "n": 1}, {"name of it": "bc", "n": 12}]
    assert text_table(rows, head=False) == table("a    1", "bc  12")


def test_what_a_row_does_not_have_is_left_empty() -> None:
    rows: list[dict[str, Any]] = [{"a": "x"}, {"b": 5, "a": None}, {"c": "z", "b": 12}]
    assert text_table(rows) == table("a   b  c", "x", "    5", "   12  z")


def test_what_looks_like_a_number_is_shown_as_it_was_written() -> None:
    rows = [{"a": text} for text in ("007", "1e5", "1,000", "-0", "nan", "1_000")]
    assert text_table(rows) == table("a", "007", "1e5", "1,000", "-0", "nan", "1_000")
    assert text_table([{"n": -1_200}, {"n": 0}, {"n": 10**6}]) == table(
        *("        n", "   -1,200", "        0", "1,000,000")
    )


def test_a_long_or_broken_text_takes_one_line_of_60_characters() -> None:
    assert text_table([{"a": "x" * 61, "b": "two\n lines\t"}]) == table(
        f"a{' ' * 59}  b",
        f"{'x' * 59}…  two lines",
    )
    assert text_table([{"a": "x" * 60}]) == f"a\n{'x' * 60}"


def test_no_rows_make_no_table() -> None:
    assert text_table([]) == text_table([], head=False) == ""


@settings(max_examples=100)
@given(st.lists(st.tuples(WORDS, st.integers(-(10**9), 10**9), WORDS), min_size=1, max_size=6))
def test_every_cell_is_there_and_columns_are_straight(rows: list[tuple[str, int, str]]) -> None:
    text = text_table([{"left": a, "n": n, "right": b} for a, n, b in rows], right=["right"])
    head, *below = text.split("\n")
    assert [line.split() for line in below] == [[a, f"{n:,}", b] for a, n, b in rows]
    assert {len(line) for line in below} == {len(head)}
    ends = {
        line.index(f" {n:,} ") + 1 + len(f"{n:,}")
        for line, (_, n, _) in zip(below, rows, strict=True)
    }
    assert ends == {head.index(" n ") + 2}
    assert all(line.startswith(a) for line, (a, _, _) in zip(below, rows, strict=True))


@settings(max_examples=100)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), texts(), min_size=1), min_size=1))
def test_no_text_can_break_a_table_or_do_something_to_a_terminal(
    rows: list[dict[str, str]],
) -> None:
    text = text_table([*rows, {row["a"]: "x" for row in rows if "a" in row}])
    assert text.count("\n") == len(rows) + 1
    assert text.replace("\n", "").isprintable()
    assert all(line == line.rstrip() for line in text.split("\n"))
