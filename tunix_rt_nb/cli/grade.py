"""tunix-rt-nb grade: each grader's verdict on an answer, or the scores of a file of answers."""

from pathlib import Path
from typing import NotRequired

import click
from typing_extensions import TypedDict

from tunix_rt_nb import evaluate
from tunix_rt_nb.cli import progress, terminal
from tunix_rt_nb.cli.options import FILE, json_option
from tunix_rt_nb.common import InputError, checked, files, one_line
from tunix_rt_nb.report import text_table


class _Pair(TypedDict):
    __pydantic_config__ = {"extra": "forbid", "strict": True}  # type: ignore[misc] # noqa: RUF012

    answer: str
    expected: str
    prompt: NotRequired[str]


@click.command("grade", context_settings={"ignore_unknown_options": True})  # such as -5
@click.argument("answer", required=False)
@click.argument("expected", required=False)
@click.option("--prompt", default="", help="The question; it may list choices.")
@click.option(
    "--grader",
    metavar="MINE.py",
    type=FILE,
    help="A Python file with `grade(answer, expected, prompt)`, which decides first.",
)
@click.option(
    "--judge",
    metavar="URL",
    help="An endpoint of chat completions, up to /v1, which decides where no other grader can.",
)
@click.option("--model", metavar="NAME", default="", help="The judge's model at that endpoint.")
@click.option(
    "--file",
    "path",
    metavar="FILE.jsonl",
    type=FILE,
    help="Instead, grade each line of a file: JSON with `answer`, `expected`, maybe `prompt`.",
)
@json_option
def grade_command(
    answer: str | None,
    expected: str | None,
    prompt: str,
    grader: Path | None,
    judge: str | None,
    model: str,
    path: Path | None,
    as_json: bool,
) -> None:
    """Grade ANSWER by comparing it with EXPECTED, and show what each grader finds.

    Evaluations grade answers in this way if no task can check them. Graders compare ANSWER and
    EXPECTED as characters, words, numbers, choices, then formulas. The first grader that can decide
    sets the score. If none can, the answer is wrong. ANSWER may be a whole response of a model.

    \b
    Examples:
      tunix-rt-nb grade '\\boxed{1{,}000}' 1000
      tunix-rt-nb grade Rome B --prompt 'Which city? (A) Paris (B) Rome'
      tunix-rt-nb grade --file pairs.jsonl --json
    """
    if judge and grader:
        raise InputError("--judge: expected no --grader beside it, because that decides every time")
    own = evaluate.named_grader("judge" if judge else grader or "", judge or "", model)
    if path:
        if answer is not None or prompt:
            raise InputError("--file: expected no ANSWER, EXPECTED or --prompt beside it")
        _mark_file(path, own, as_json)
    elif answer is None or expected is None:
        raise InputError("grade: expected ANSWER and EXPECTED, or --file")
    else:
        _show(answer, expected, prompt, own, as_json)


def _show(
    answer: str,
    expected: str,
    prompt: str,
    own: "evaluate.Own | evaluate.Judge | None",
    as_json: bool,
) -> None:
    """Print the score of one answer, and each grader's verdict on the answer.

    Args:
      own: the user's grader, which decides first, or a judge, which decides last.
    """
    mark = evaluate.mark(answer, expected, prompt, own)
    bare, rungs = evaluate.look(answer, expected, prompt, own)
    if as_json:
        told = [{"grader": name, **verdict._asdict()} for name, verdict in rungs.items()]
        record = {**mark._asdict(), "bare": bare, "rungs": told}
        terminal.echo_json(record)
        return
    rows = [
        {"grader": name, "score": "passes" if score is None else f"{score:g}", "why": why}
        for name, (score, why) in rungs.items()
    ]
    terminal.echo(f"Read as: {one_line(bare)}\n{text_table(rows)}")
    terminal.echo(
        f"\n{mark.score:g} by {mark.grader}, {mark.strict_score:g} as it stands: {mark.why}"
    )
    for name, score in mark.disagree:
        terminal.echo(f"{name} disagrees: {score:g}")


def _mark_file(path: Path, own: "evaluate.Own | evaluate.Judge | None", as_json: bool) -> None:
    """Print the score of each line of a file, after all lines are checked.

    Args:
      own: the user's grader, which decides first, or a judge, which decides last.
    """
    pairs = _pairs(path)
    with progress.progress("graded", len(pairs)) as shown:
        for pair in shown.through(pairs):
            mark = evaluate.mark(pair["answer"], pair["expected"], pair.get("prompt", ""), own)
            if as_json:
                names = ("score", "strict_score", "grader")
                terminal.echo_json({name: getattr(mark, name) for name in names})
            else:
                terminal.echo(f"{mark.score:<4g} {mark.grader:<7} {one_line(pair['answer'], 80)}")


def _pairs(path: Path) -> list[_Pair]:
    found = []
    for number, line in enumerate(files.all_lines(path), 1):
        where = f"{path}:{number}: "
        found.append(checked(_Pair, files.json_object(line, where), where))
    if not found:
        raise InputError(f"{path}: holds no pairs, expected JSON lines with answer and expected")
    return found
