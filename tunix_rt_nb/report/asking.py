"""Questions to a trained model in a notebook: the reply shows while the model writes it."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tunix_rt_nb.common import printable
from tunix_rt_nb.report.notebook import _html, _item, _lines, _tick

if TYPE_CHECKING:
    from tunix_rt_nb.evaluate import Reply
    from tunix_rt_nb.render import Rendered


def ask(folder: Path, rendered: "Rendered", questions: Iterable[str], most: int = 256) -> None:
    """Ask a model questions, and show the steps of each reply as they come, ticked or crossed.

    A step or an answer gets a dot if no program can check it. Without questions, do nothing.

    Args:
      folder: the model folder.
      rendered: the manifest of the rendered dataset; it names template, style and system message.
      questions: the questions; each is asked alone.
      most: the most tokens of a reply.

    Raises:
      InputError: a question is blank or too long, or the folder holds no model.
    """
    questions = list(questions)
    if not questions:
        return
    from IPython.display import display

    from tunix_rt_nb.evaluate import Conversation, Reply

    conversation = Conversation(folder, rendered, most)
    for question in questions:
        reply = Reply("")
        shown = display(_html(_reply(question, reply)), display_id=True)  # None outside a notebook
        for reply in conversation.ask(question):
            if shown:
                shown.update(_html(_reply(question, reply)))
        if not shown:
            print(printable(reply.text))


def _reply(question: str, reply: "Reply") -> str:
    """Return a question and its reply, as far as it is written, as HTML."""
    first = reply.right.index(False) if False in reply.right else None
    each = zip(reply.steps, reply.right, reply.reasons, strict=True)
    steps = "".join(
        _item(text, _tick(right), reason or "", bad=n == first)
        for n, (text, right, reason) in enumerate(each)
    )
    return f"<p><b>{_lines(question)}</b></p><ol>{steps}</ol>{_end(reply)}"


def _end(reply: "Reply") -> str:
    """Return what follows the complete steps of a reply, as HTML."""
    if not reply.whole:
        return f"<p><i>{_lines(reply.writing)} …</i></p>"
    cut = "" if reply.stopped else " <i>(cut off: the reply reached the limit of tokens)</i>"
    if reply.answer is not None:
        return f"<p>Answer: <b>{_lines(reply.answer)}</b> {_tick(reply.answer_right)}{cut}</p>"
    return f"<p>{'No answer.' if reply.steps else _lines(reply.text)}{cut}</p>"
