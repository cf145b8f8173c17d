"""Texts and traces that look like all that they are not: marks of a style, turns, control pieces."""

from hypothesis import strategies as st

from tunix_rt_nb.trace.response import STYLES
from tunix_rt_nb.trace.templates import TEMPLATES
from tunix_rt_nb.trace.trace import Trace

PIECES = sorted({piece for template in TEMPLATES.values() for piece in template.pieces})
MARKS = [
    *PIECES,
    *(t.after_prompt + t.before_response for t in TEMPLATES.values()),
    *(mark for s in STYLES.values() for mark in (s.opening, s.opening + "1. ", "\n" + s.middle)),
    *(
        "1. ",
        "\n1. ",
        "\n2. ",
        "\n\\2. ",
        "\nAnswer: ",
        "\n\\Answer: ",
        "</reasoning>",
        "</answer>",
    ),
    *("<\\/answer>", "<", "\\", "\n", "\n\n", "\r\n", " ", "  ", "\t", "▁", "\x00", "\x1b[0m"),
    *("\u2028", "\x85", "\ufeff", "é", "e\u0301", "👩‍👩‍👧", "\ufffd", "٢. "),
]


def texts(marks: list[str] = MARKS) -> st.SearchStrategy[str]:
    """Arbitrary text, or some of the marks put together."""
    part = st.sampled_from([*marks, *"abc1. "])
    return st.lists(part, min_size=1, max_size=5).map("".join) | st.text(min_size=1, max_size=8)


def traces(text: st.SearchStrategy[str]) -> st.SearchStrategy[Trace]:
    """Valid traces with such text in all places."""
    steps = st.lists(text, min_size=1, max_size=3)
    return st.builds(lambda p, s, a: Trace.of(p, [("s", c) for c in s], a), text, steps, text)
