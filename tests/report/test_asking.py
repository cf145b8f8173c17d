"""A reply in a notebook: how it looks while it is written, and that its text is only text."""

from pathlib import Path
from typing import Any

import pytest

from tunix_rt_nb import report
from tunix_rt_nb.evaluate import Reply
from tunix_rt_nb.report.asking import _reply

STEPS: dict[str, Any] = {
    "steps": ("Add.", "2+2=5."),
    "right": (None, False),
    "reasons": (None, "2+2 is 4, not 5"),
}


def test_a_reply_shows_its_steps_with_their_marks_and_what_is_being_written() -> None:
    html = _reply("1 + 1?", Reply("...", **STEPS, writing="3. So"))
    assert "<b>1 + 1?</b>" in html and "<li>Add. ·</li>" in html
    assert "<b>2+2=5. ✗</b><br><i>2+2 is 4, not 5</i>" in html
    assert "<i>3. So …</i>" in html and "Answer" not in html


@pytest.mark.parametrize(("right", "mark"), [(True, "✓"), (False, "✗"), (None, "·")])
def test_a_whole_reply_ends_with_its_answer(right: bool | None, mark: str) -> None:
    whole = Reply("...", **STEPS, answer="5", answer_right=right, whole=True, stopped=True)
    assert _reply("?", whole).endswith(f"<p>Answer: <b>5</b> {mark}</p>")
    assert "reached the limit" in _reply("?", whole._replace(stopped=False))
    assert "<p>No answer.</p>" in _reply("?", whole._replace(answer=None))
    assert "<p>Why not</p>" in _reply("?", Reply("Why not", whole=True, stopped=True))


def test_nothing_in_a_reply_is_markup() -> None:
    bad = "<script>x</script>\u202e"
    told = Reply(bad, (bad,), (False,), (bad,), bad, bad, False)
    for reply in (told, told._replace(whole=True), Reply(bad, whole=True)):
        html = _reply(bad, reply)
        assert "<script" not in html and "\u202e" not in html and "&lt;script&gt;" in html


def test_without_questions_no_model_is_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rendered: Any = {"template": "gemma", "style": "numbered", "system": ""}
    report.ask(tmp_path, rendered, [])
    assert capsys.readouterr().out == ""
