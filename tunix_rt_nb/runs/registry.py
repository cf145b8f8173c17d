"""All runs beside each other: model and data, how far each run came, and what it scored.

Nothing is cached: the files in the run folders are read each time. A damaged run is a row, too.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from tunix_rt_nb.common import InputError, files, filter_condition, records, sql, unknown
from tunix_rt_nb.host import paths
from tunix_rt_nb.runs.differing import differing
from tunix_rt_nb.runs.folder import STEPS, Result, lineage, result, stem
from tunix_rt_nb.runs.states import DAMAGE, EVALUATED, damage, is_run, state

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SET_BY = {  # fields of a `Row` that say how its run was made -> the parameter that sets each
    "model": "MODEL",
    "dataset": "DATASET_NAME",
    "steps": "STEPS",
    "samples": "SAMPLES",
    "temperature": "TEMPERATURE",
    "max_new_tokens": "MAX_NEW_TOKENS",
}
_DOCUMENTS = ("told", "trained", "evaluated", "rendered")


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
      differs: the parameters in which the runs on it differ, with this run's values: name -> value.
        They are in the order that `differing` tells.
    """

    board: str
    runs: int
    rank: int
    differs: dict[str, Any]


class Leaderboard(NamedTuple):
    """The ranked runs, board by board, and the runs that cannot be ranked, each with a `problem`.

    A board is a group of runs that were asked the same items in the same form, which is template,
    style and system message.
    """

    ranked: list[Ranked]
    left_out: list[Row]


def folders() -> list[Path]:
    """List the folders of all runs, complete or not."""
    return [path for path in files.folders(paths.home() / "runs") if is_run(path)]


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
        query = sql("leaderboard").format(where=where)
        ranked: list[Ranked] = _rows(connection, query, values)
        for _, rows in groupby(ranked, lambda row: row["board"]):
            board = list(rows)
            found = differing([row["parameters"] for row in board])
            for row, differs in zip(board, found, strict=True):
                row["differs"] = differs
        out = f"SELECT * FROM runs WHERE problem IS NOT NULL AND ({where}) ORDER BY run"
        return Leaderboard(ranked, _rows(connection, out, values))


def row(folder: Path) -> Row:
    """Return the row of one run, wherever its folder is."""
    with _runs([folder]) as connection:
        return _rows(connection, "SELECT * FROM runs", {})[0]


@contextmanager
def _runs(found: Iterable[Path]) -> "Iterator[DuckDBPyConnection]":
    """Open DuckDB with a view `runs`: a row for each of these run folders.

    Its columns are the fields of `Row`, and `meta`: the row as JSON, for filters.
    """
    import duckdb  # slow to load

    values = {"places": [_place(folder) for folder in found]}
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TEMP TABLE found AS {sql('runs')}", values)
        connection.execute("CREATE VIEW runs AS SELECT *, to_json(found) AS meta FROM found")
        yield connection


def _place(folder: Path) -> dict[str, Any]:
    """Return what `runs.sql` needs to make the row of a run.

    Returns:
      run, state, step, finished, problem, folder: the fields of `Row` that are in no file.
      told: the text of `run.json`; None if there is none.
      trained, evaluated: the texts of `result.json` of the steps train and evaluate, or None.
      rendered: the text of the manifest that the step render wrote, or None.
    """
    read = cache(result)
    name, step, problem = state(folder, read)
    place: dict[str, Any] = {
        "run": utf8(folder.name),
        "state": name,
        "step": step,
        "problem": problem,
        "folder": utf8(str(folder)),
        "finished": None,
        **dict.fromkeys(_DOCUMENTS),
    }
    try:
        return {**place, "finished": _finished(folder), **_documents(folder, name, read)}
    except DAMAGE as error:
        return {**place, "state": "damaged", "problem": damage(folder, error)}


def _finished(folder: Path) -> str | None:
    """Return when the last step of a run completed, in UTC; None if none is complete."""
    results = [folder / stem(step) / "result.json" for step in STEPS]
    complete = [path.stat().st_mtime for path in results if path.exists()]
    if not complete:
        return None
    return datetime.fromtimestamp(max(complete), UTC).isoformat(timespec="seconds")


def _documents(folder: Path, state: str, read: Callable[[Path], Result]) -> dict[str, str | None]:
    """Read the files that the row of a run is made of: name in `_DOCUMENTS` -> text."""
    evaluated = folder / EVALUATED / "result.json"
    whole = evaluated.exists() and state == "completed"
    # A notebook that is run alone takes the outputs of any run.
    made_from = lineage("evaluate", evaluated.parent, read) if whole else {}
    trained = made_from.get("train", folder / stem("train"))
    rendered = made_from.get("render", folder / stem("render"))
    return {
        "told": _text(folder / "run.json"),
        "trained": _text(trained / "result.json"),
        "evaluated": _text(evaluated),
        "rendered": _text(rendered / "manifest.json"),
    }


def _text(path: Path) -> str | None:
    """Return the text of a JSON file; None if it is missing or damaged."""
    try:
        return json.dumps(files.read_json(path))
    except InputError:
        return None


def utf8(name: str) -> str:
    """Replace what is not UTF-8 in the name of a file, because DuckDB does not take it."""
    return os.fsencode(name).decode(errors="replace")


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
        told = json.loads(row["parameters"] or "{}")
        by_step = told if isinstance(told, dict) else {}
        row["parameters"] = {k: v for k, v in by_step.items() if k in STEPS and isinstance(v, dict)}
    return found
