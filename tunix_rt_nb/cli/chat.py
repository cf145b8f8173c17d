"""tunix-rt-nb chat: a conversation with the model of a run, in the terminal."""

import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import click

from tunix_rt_nb import dataset, evaluate, render, runs
from tunix_rt_nb.cli import display, progress, terminal
from tunix_rt_nb.cli.options import json_option
from tunix_rt_nb.common import InputError, one_line

_RESET = "/reset"
_ENOUGH = 1_000  # traces, to see whether a dataset has chats of several turns


@click.command("chat")
@click.argument("run")
@click.option(
    "--ask", "questions", metavar="TEXT", multiple=True, help="Ask this, print the reply, and end."
)
@click.option(
    "--turns/--alone",
    default=None,
    help="Keep earlier questions and replies, or not; by default as the training data has them.",
)
@json_option
def chat_command(run: str, questions: tuple[str, ...], turns: bool | None, as_json: bool) -> None:
    """Ask the trained model of RUN, and see its steps come, each checked.

    A step or an answer is marked ✓ if it is right, ✗ if it is wrong, and · if no program can tell.
    If one of the tasks can read the question, this task checks every step and the answer. Of other
    questions, the sums in the steps are checked.

    Without --ask, questions are read from the terminal or, one a line, from a pipe. In a terminal,
    /reset forgets the earlier questions, Ctrl-C ends a reply, and Ctrl-D ends the chat.

    \b
    Examples:
      tunix-rt-nb chat quickstart
      tunix-rt-nb chat quickstart --ask "What is 59 + 31 - 26?"
      tunix-rt-nb chat quickstart --json < questions.txt
    """
    folder = runs.registry.find(run)
    made_from = runs.lineage("train", folder / runs.stem("train"))
    rendered = render.read_manifest(made_from["render"])
    keeps = _has_turns(made_from["build"]) if turns is None else turns
    most = runs.registry.row(folder)["parameters"].get("evaluate", {}).get("MAX_NEW_TOKENS")
    with progress.progress("loading the model"):
        conversation = evaluate.Conversation(
            made_from["train"] / "model", rendered, most if type(most) is int else 256, keeps
        )
    by_hand = not questions and sys.stdin.isatty()
    if by_hand:
        how = "earlier questions are kept" if keeps else "each question is asked alone"
        told = f"{one_line(folder.name, 80)}: {how}. {_RESET} forgets, Ctrl-D ends."
        terminal.echo(f"{told}  ✓ right  ✗ wrong  · no program can tell", err=True)
    for question in questions or (_typed() if by_hand else _lines()):
        if question == _RESET:
            conversation.reset()
            terminal.echo("  (forgotten)", err=True)
            continue
        if by_hand and re.fullmatch(r"/\w{1,20}", question):
            terminal.echo(f"  (unknown {question}: {_RESET} forgets, Ctrl-D ends)", err=True)
            continue
        if not as_json and not by_hand and len(questions) != 1:
            terminal.echo(f"> {question}")
        try:
            _reply(conversation, question, as_json)
        except (KeyboardInterrupt, InputError) as error:
            if not by_hand:
                raise
            terminal.echo(f"  ({error or 'ended'})", err=True)


def _has_turns(built: Path) -> bool:
    """Tell whether a dataset has chats of several turns, by the first of its traces."""
    traces = dataset.load(dataset.built_in(built), "train")
    return any(trace.earlier.turns for _, trace in islice(traces, _ENOUGH))


def _typed() -> Iterator[str]:
    """Yield the lines that a user types, until Ctrl-D or Ctrl-C at the prompt."""
    with suppress(ImportError):
        import readline  # noqa: F401  # lets `input` edit a line and recall earlier ones
    while True:
        try:
            question = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            terminal.echo("", err=True)
            return
        if question:
            yield question


def _lines() -> Iterator[str]:
    """Yield the lines of stdin that are not blank."""
    for line in sys.stdin.buffer:
        if question := line.decode(errors="replace").strip():
            yield question


def _reply(conversation: "evaluate.Conversation", question: str, as_json: bool) -> None:
    """Ask a question; print each step as soon as it is complete, and the answer at the end."""
    told, reply, moves = 0, evaluate.Reply(""), sys.stderr.isatty()
    with progress.line() as line:
        for reply in conversation.ask(question):
            for n in range(told, 0 if as_json else len(reply.steps)):
                terminal.echo(display.step(n + 1, reply.steps[n], reply.right[n], reply.reasons[n]))
            told = max(told, len(reply.steps))
            if moves:
                line(f"    {reply.writing[-max(20, display.width() - 6) :]}")
    if as_json:
        terminal.echo_json({"question": question, **reply._asdict()})
    elif reply.answer is not None:
        terminal.echo(display.answer(reply.answer, reply.answer_right))
    else:
        text = reply.text.replace("\n", "\n  ")
        terminal.echo("· no answer" if told else f"· {text}")
    if not reply.stopped:
        terminal.echo("  (cut off: the reply reached the limit of tokens)", err=True)
