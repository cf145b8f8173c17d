from hypothesis import given, strategies as st

from tunix_rt_nb.common import counted, first_of, one_line, printable


def whole(text: str) -> str:
    return printable(" ".join(text.split()))


@given(st.text(st.sampled_from("ab \n\t\x1b\u2028"), max_size=40), st.integers(2, 12))
def test_one_line_shows_a_short_text_whole_and_marks_a_long_one_as_cut(
    text: str, width: int
) -> None:
    shown = one_line(text, width)
    assert len(shown) <= width
    if len(whole(text)) <= width:
        assert shown == whole(text)
    else:
        assert shown.endswith("…")
        assert whole(text).startswith(shown[:-1])


def test_white_space_in_the_middle_cuts_nothing_off() -> None:
    assert one_line("a" + " " * 5_000 + "b") == "a b"


def test_what_a_terminal_would_obey_is_replaced() -> None:
    assert printable("\x1b]0;title\x07 a\n") == "\ufffd]0;title\ufffd a\n"


@given(st.lists(st.text(max_size=3), max_size=30), st.integers(0, 25))
def test_the_first_lines_and_a_count_tell_of_all(lines: list[str], most: int) -> None:
    shown = first_of(lines, "x.txt", most)
    if len(lines) <= most:
        assert shown == lines
    else:
        assert shown == [*lines[:most], f"… and {len(lines) - most} more, all are in x.txt"]


def test_only_one_is_in_the_singular() -> None:
    told = [counted(n, "question{s} with answer{s}") for n in (0, 1, 2)]
    assert told == [
        "0 questions with answers",
        "1 question with answer",
        "2 questions with answers",
    ]
