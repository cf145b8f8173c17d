"""All runs beside each other: model and data, how far each run came, and what it scored.

Nothing is cached: DuckDB reads the files in the run folders each time.
"""

import fcntl
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from tunix_rt_nb.common import InputError, files, filter_condition, one_line, records, sql, unknown
from tunix_rt_nb.host import paths
from tunix_rt_nb.runs.folder import STEPS, lineage, result, stem

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PREDICTIONS = "predictions-after.jsonl"
_EVALUATED = stem("evaluate")
_DOCUMENTS = ("told", "trained", "evaluated", "rendered")


class State(NamedTuple):
    """The state of a run: how far it came, and what is wrong with it, if anything.

    Attributes:
      name: `completed`, `running`, `failed`, `stopped`, `damaged`, or `outdated` (a step was run
        again, and the steps after it were not).
      step: the step that is running, failed or was stopped; otherwise the last step that was begun.
      problem: why the run's score does not count; None if the score counts.
    """

    name: str
    step: str
    problem: str | None


class Row(TypedDict):
    """A run, as `listing` returns it. A field is None if the run's files do not tell it.

    Attributes:
      state, step, problem: as in `State`.
      finished: the time when its last step completed, in UTC.
      model, dataset: the model that is fine-tuned, and the key of the dataset.
      steps, eval_loss: the steps trained, and the last held-out loss.
      items: the number of items that were graded after training.
      before, score: the mean score of the items before and after training.
      strict_score: like `score`, but answers are graded as written, Markdown included, and a
        response that is not in the asked style gets 0.
      low, high: the 95 % interval of `score`.
      steps_right: the mean share of right steps after training.
      samples, temperature, max_new_tokens: the settings with which the answers were sampled.
      template, style: the template and the style in which the items were asked.
      dataset_sha256: the hash of the dataset.
      form_sha256: the hash of template, style and system message.
      items_sha256: the hash of the items.
      parameters: step -> parameter name -> value.
    """

    run: str
    state: str
    step: str
    finished: str | None
    model: str | None
    dataset: str | None
    steps: int | None
    eval_loss: float | None
    items: int | None
    before: float | None
    score: float | None
    strict_score: float | None
    low: float | None
    high: float | None
    steps_right: float | None
    samples: int | None
    temperature: float | None
    max_new_tokens: int | None
    template: str | None
    style: str | None
    dataset_sha256: str | None
    form_sha256: str | None
    items_sha256: str | None
    parameters: dict[str, dict[str, Any]]
    problem: str | None
    folder: str


class Ranked(Row):
    """A run with its place on a board, a group of runs that were asked the same items.

    Attributes:
      board: the name of the board.
      runs: the number of runs on it.
      rank: the rank of this run on it, from 1.
    """

    board: str
    runs: int
    rank: int


class Leaderboard(NamedTuple):
    """The ranked runs, board by board, and the runs that cannot be ranked, each with a `problem`.

    A board is a group of runs that were asked the same items in the same form, which is template,
    style and system message.
    """

    ranked: list[Ranked]
    left_out: list[Row]


def folders() -> list[Path]:
    """List the folders of all runs, complete or not."""
    found = (path for path in (paths.home() / "runs").glob("*/") if not path.name.startswith("."))
    return sorted(path for path in found if is_run(path))


def is_run(folder: Path) -> bool:
    """Tell whether a folder is a run's: it has a `run.json`, or a step has worked in it."""
    return (folder / "run.json").exists() or bool(_begun(folder))


def find(name: str) -> Path:
    """Return the folder of a run, given its name or its path.

    Raises:
      InputError: there is no such run.
    """
    known = {path.name: path for path in folders()}
    if name in known:
        return known[name]
    if Path(name).is_dir() and is_run(Path(name)):
        return Path(name).resolve()
    if not known:
        raise InputError(
            f"run: {name!r} does not exist, there are no runs yet, start one: tunix-rt-nb run"
        )
    raise unknown("run", name, known)


def listing(filters: Mapping[str, Any] | None = None) -> list[Row]:
    """List all runs, one row each. The run that finished last comes first.

    Args:
      filters: field of a row -> the value that it must have, or `{operator: value}`, as
        `filter_condition` takes them. A field may be a path, such as `parameters.train.STEPS`.

    Raises:
      InputError: a field or an operator is unknown.
    """
    with _runs(folders()) as connection:
        where, values = _condition(connection, filters or {})
        query = f"SELECT * FROM runs WHERE {where} ORDER BY finished DESC NULLS LAST, run"
        return _rows(connection, query, values)


def leaderboard(filters: Mapping[str, Any] | None = None) -> Leaderboard:
    """Rank the runs, board by board; see `Leaderboard`.

    Args:
      filters: conditions that the runs must meet, by field, in the form that `listing` takes.

    Raises:
      InputError: a field or an operator is unknown.
    """
    with _runs(folders()) as connection:
        where, values = _condition(connection, filters or {})
        ranked = sql("leaderboard").format(where=where)
        out = f"SELECT * FROM runs WHERE problem IS NOT NULL AND ({where}) ORDER BY run"
        return Leaderboard(_rows(connection, ranked, values), _rows(connection, out, values))


def row(folder: Path) -> Row:
    """Return the row of one run, wherever its folder is."""
    with _runs([folder]) as connection:
        return _rows(connection, "SELECT * FROM runs", {})[0]


def state(folder: Path) -> State:
    """Find out how far a run came.

    A step that has begun but has no result yet is running if a process holds the run's lock.
    Otherwise it failed if its executed notebook has an error, and was stopped if not.
    """
    begun = _begun(folder)
    for step in begun:
        if not (folder / stem(step) / "result.json").exists():
            name = "running" if _is_held(folder, step) else _ended(folder, step)
            return State(name, step, f"{name} in {step}")
    last = begun[-1] if begun else ""
    try:
        for step in begun:
            result(folder / stem(step))
        problem = _unusable(folder / _EVALUATED) if last == "evaluate" else "not evaluated"
    except (InputError, OSError, KeyError, TypeError, AttributeError) as error:
        return State("damaged", last, one_line(str(error)))
    try:
        if last:
            lineage(last, folder / stem(last))
        return State("completed", last, problem)
    except (InputError, OSError) as error:
        return State("outdated", last, one_line(str(error)))


def _begun(folder: Path) -> list[str]:
    return [step for step in STEPS if (folder / stem(step)).is_dir()]


def _unusable(folder: Path) -> str | None:
    """Return why the score of a complete evaluation does not count; None if it counts.

    Args:
      folder: the folder of the step evaluate.
    """
    told, path = result(folder), folder / PREDICTIONS
    score = told["after"]["primary_score"]
    if not isinstance(score, int | float) or not math.isfinite(score):
        return f"its score is {score}, which is not a number"
    if not path.is_file() or files.sha256(path) != told["outputs"].get(PREDICTIONS):
        return f"{PREDICTIONS} was altered after the evaluation"
    return None


def _ended(folder: Path, step: str) -> str:
    """Return `failed` if the executed notebook of a step has an error, else `stopped`.

    Args:
      folder: the run folder.
      step: the step, which is neither complete nor running.
    """
    try:
        notebook = files.read_json(folder / f"{stem(step)}.ipynb")
        return "failed" if notebook["metadata"]["papermill"]["exception"] else "stopped"
    except (OSError, InputError, KeyError, TypeError):
        return "stopped"


def _is_held(folder: Path, step: str) -> bool:
    """Tell whether a process holds the lock of a run, or the lock of one of its steps.

    To find out, try to take each lock for a moment.

    Args:
      folder: the run folder.
      step: the step whose lock is tried.
    """
    for name in (".chain.lock", f".{stem(step)}.lock"):
        try:
            with (folder / name).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # no lock file, or a file system without locks
            continue
    return False


@contextmanager
def _runs(found: Iterable[Path]) -> "Iterator[DuckDBPyConnection]":
    """Open DuckDB with a view `runs`: a row for each of these run folders.

    Its columns are the fields of `Row`, and `meta`: the row as JSON, for filters.
    """
    import duckdb  # slow to load

    places = [_place(folder) for folder in found]
    documents = sorted({place[name] for place in places for name in _DOCUMENTS} - {None})
    values = {"places": places, "documents": literal(documents)}
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TEMP TABLE found AS {sql('runs')}", values)
        connection.execute("CREATE VIEW runs AS SELECT *, to_json(found) AS meta FROM found")
        yield connection


def _place(folder: Path) -> dict[str, Any]:
    """Return what `runs.sql` needs to make the row of a run.

    Returns:
      run, state, step, finished, problem, folder: the fields of `Row` that are in no file.
      told: the path of `run.json`; None if there is none.
      trained, evaluated: the paths of `result.json` of the steps train and evaluate, or None.
      rendered: the path of the manifest that the step render wrote, or None.
    """
    name, step, problem = state(folder)
    results = [folder / stem(step) / "result.json" for step in STEPS]
    complete = [path.stat().st_mtime for path in results if path.exists()]
    finished = datetime.fromtimestamp(max(complete), UTC) if complete else None
    evaluated = folder / _EVALUATED / "result.json"
    whole = evaluated.exists() and name == "completed"
    # A notebook that is run alone takes the outputs of any run.
    made_from = lineage("evaluate", evaluated.parent) if whole else {}
    trained = made_from.get("train", folder / stem("train"))
    rendered = made_from.get("render", folder / stem("render"))
    return {
        "run": folder.name,
        "state": name,
        "step": step,
        "finished": finished and finished.isoformat(timespec="seconds"),
        "problem": problem,
        "folder": str(folder),
        "told": _existing(folder / "run.json"),
        "trained": _existing(trained / "result.json"),
        "evaluated": _existing(evaluated),
        "rendered": _existing(rendered / "manifest.json"),
    }


def _existing(path: Path) -> str | None:
    return str(path) if path.is_file() else None


def literal(paths: Iterable[str]) -> list[str]:
    """Escape `*`, `?`, `[` and `]` in paths, because DuckDB would read them as wildcards."""
    return [re.sub(r"([*?\[\]])", r"[\1]", path) for path in paths]


def _condition(
    connection: "DuckDBPyConnection", filters: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    fields = connection.table("found").columns
    for path in filters:
        if path.removeprefix("meta.").split(".")[0] not in fields:
            raise unknown("field", path, fields)
    return filter_condition(filters)


def _rows(connection: "DuckDBPyConnection", query: str, values: dict[str, Any]) -> list[Any]:
    """Return the runs that a query found, without `meta`, and with `parameters` as a dict."""
    found = records(connection.execute(query, values))
    for row in found:
        del row["meta"]
        row["parameters"] = json.loads(row["parameters"] or "{}")
    return found
