from hypothesis import given, strategies as st

from tunix_rt_nb.common import one_line, printable


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
