"""The choice of the traces that a dataset is made of: selected, cleaned, split and counted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from tunix_rt_nb.common import InputError, files, records, sql
from tunix_rt_nb.dataset import clean
from tunix_rt_nb.dataset.evalset import EvalItem
from tunix_rt_nb.dataset.folder import SIDES
from tunix_rt_nb.dataset.selection import select
from tunix_rt_nb.dataset.spec import DatasetSpec
from tunix_rt_nb.store import ROW, TraceStore

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SAMPLE = 1000  # traces whose lengths in tokens are measured


class Choice(NamedTuple):
    """What goes into a dataset.

    Attributes:
      considered: the number of traces in the store, matching the filters, and selected.
      rejected: reason -> the number of traces that cleaning left out for it.
      split: side -> the number of traces.
      said: what a manifest says of the traces: `created_at`, `trace_count`, `tasks` and `stats`.
      ids: the ids of the traces, the side to train on first.
      sample: traces as JSON lines: those with the lowest ids. They are random, because ids are
        hashes.
      contents: name of a file -> its bytes, in blocks.
    """

    considered: dict[str, int]
    rejected: dict[str, int]
    split: dict[str, int]
    said: dict[str, Any]
    ids: list[str]
    sample: list[bytes]
    contents: Mapping[str, Iterable[bytes]]


@contextmanager
def choose(store: TraceStore, spec: DatasetSpec, items: Sequence[EvalItem]) -> Iterator[Choice]:
    """Choose the traces of a dataset on this machine, with DuckDB.

    Args:
      store: the store to select traces from.
      spec: what the dataset is to contain.
      items: the items of the eval sets.

    Raises:
      InputError: no trace is selected, a file of the store is damaged, or a filter is bad.
    """
    with store.connect() as connection:
        matching, selected = select(connection, spec, items)
        considered = {"in_store": store.count(), "matching": matching, "selected": selected}
        check_some(store, spec, considered)
        rejects = _clean(connection, spec, items)
        said = _statistics(connection)
        kept = connection.execute("SELECT id, hi, lo, is_eval FROM kept").fetchnumpy()
    rows = np.zeros(len(kept["id"]), ROW)
    rows["hi"], rows["lo"] = kept["hi"], kept["lo"]
    sides = {side: rows[kept["is_eval"] == (side == "eval")] for side in SIDES}
    contents = {f"{side}.jsonl": store.lines(rows) for side, rows in sides.items()}
    contents["rejects.jsonl"] = map(files.json_line, rejects)
    lowest = rows[np.lexsort((rows["lo"], rows["hi"]))[:SAMPLE]]
    yield Choice(
        considered,
        dict(Counter(reject["reason"] for reject in rejects)),
        {side: len(rows) for side, rows in sides.items()},
        said,
        cast("list[str]", kept["id"].tolist()),
        b"".join(store.lines(lowest)).splitlines(),
        contents,
    )


def check_some(store: TraceStore, spec: DatasetSpec, considered: Mapping[str, int]) -> None:
    """Raise `InputError` if no trace is selected; the message says at which stage the last left."""
    if considered["selected"]:
        return
    if considered["matching"]:
        raise InputError(
            f"selection_strategy: {spec.selection_strategy} selects none of the"
            f" {considered['matching']} traces that match the filters"
        )
    also = " and the condition" if spec.condition else ""
    raise InputError(
        f"filters: none of the {considered['in_store']} traces in {store.folder} match"
        f" {spec.filters}{also}"
    )


def _clean(
    connection: "DuckDBPyConnection", spec: DatasetSpec, items: Sequence[EvalItem]
) -> list[clean.Reject]:
    """Fill the table `kept` with the rows of the table `selected` that stay after cleaning.

    Args:
      connection: the DuckDB connection that has `selected`.
      spec: the spec of the dataset.
      items: the items of the eval sets.

    Returns:
      A dict for each row that is left out, with the reason, as `clean.rejects` returns it.
    """
    suspects = connection.execute(
        "SELECT id, task, prompt, answer, first_id, eval_item FROM selected"
        " WHERE first_id <> id OR eval_item IS NOT NULL OR prompt IS NOT NULL ORDER BY place"
    )
    rejects = clean.rejects(records(suspects), spec.near_duplicates, items)
    connection.execute(sql("kept"), {"refused": [reject["id"] for reject in rejects]})
    return rejects


def _statistics(connection: "DuckDBPyConnection") -> dict[str, Any]:
    [whole] = records(connection.execute(sql("statistics")))
    count, newest = whole.pop("trace_count"), whole.pop("created_at")
    tasks = {row.pop("task"): row for row in records(connection.execute(sql("tasks")))}
    return {"created_at": newest, "trace_count": count, "tasks": tasks, "stats": whole}
