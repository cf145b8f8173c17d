"""Cleaning of a dataset that Spark builds: the traces that `clean.rejects` leaves out."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from tunix_rt_nb import tasks
from tunix_rt_nb.common import cluster, files
from tunix_rt_nb.dataset import clean
from tunix_rt_nb.dataset.evalset import EvalItem
from tunix_rt_nb.dataset.spark_near import near_duplicates
from tunix_rt_nb.dataset.spec import DatasetSpec

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_REJECT = "place binary, id string, reason string, of string, similarity double, ngram string"
_ASKED = "place binary, id string, task string, prompt string, eval_item string"


def rejects(selected: "DataFrame", spec: DatasetSpec, items: Sequence[EvalItem]) -> "DataFrame":
    """Find the selected traces that stay out, as `clean.rejects` does: the columns of `_REJECT`."""
    from pyspark.sql import functions as F

    same = selected.where("first_id <> id")
    named = F.lit("duplicate_prompt").alias("reason"), F.col("first_id").alias("of")
    found = [same.select("place", "id", *named)]
    left = selected.where("first_id = id")
    if spec.near_duplicates is not None:
        known = F.coalesce(F.col("task").isin(list(tasks.TASKS)), F.lit(False))
        near = cluster.held(near_duplicates(left.where(~known), spec.near_duplicates))
        found.append(near)
        left = left.join(near.select("id"), "id", "left_anti")
    if items:
        found.append(_in_eval_sets(left, items))
    every = selected.sparkSession.createDataFrame([], _REJECT)
    for each in found:
        every = every.unionByName(each, allowMissingColumns=True)
    return every


def _in_eval_sets(left: "DataFrame", items: Sequence[EvalItem]) -> "DataFrame":
    """Find the traces that repeat an eval item: this machine decides, and sees only suspects."""
    asked = left.where("prompt IS NOT NULL OR eval_item IS NOT NULL")
    suspects = (
        asked.select(*cluster.names_of(_ASKED))
        .mapInArrow(partial(_suspects, items), _ASKED)
        .collect()
    )
    rows = sorted((row.asDict() for row in suspects), key=lambda row: row["place"])
    found = clean.in_eval_sets(rows, items)
    refused = [{**row, **found[row["id"]]} for row in rows if row["id"] in found]
    values = [tuple(row.get(name) for name in cluster.names_of(_REJECT)) for row in refused]
    return left.sparkSession.createDataFrame(values, _REJECT)


def _suspects(items: Sequence[EvalItem], batches: Iterable[Any]) -> Iterator[Any]:
    import pyarrow as pa

    for batch in batches:
        found = clean.suspects(batch.to_pylist(), items)
        yield batch.filter(pa.array([id in found for id in batch.column("id").to_pylist()]))


def counts(rejects: "DataFrame") -> dict[str, int]:
    """Count the rejects by their reason, in the order in which the reasons first occur."""
    from pyspark.sql import functions as F

    counts = rejects.groupBy("reason").agg(F.count("*"), F.min("place")).collect()
    return {reason: count for reason, count, _ in sorted(counts, key=lambda row: row[2])}


def told(batches: Iterable[Any]) -> Iterator[Any]:
    """Write rejects as lines of JSON; a field without a value is left out."""
    import pyarrow as pa

    for batch in batches:
        rows = batch.drop_columns(["place"]).to_pylist()
        told = ({name: value for name, value in row.items() if value is not None} for row in rows)
        yield pa.RecordBatch.from_pydict({"lines": [b"".join(map(files.json_line, told))]})
