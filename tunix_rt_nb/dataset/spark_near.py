"""Near-duplicates of a dataset that Spark builds: the ones that one machine finds."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from tunix_rt_nb.common import cluster
from tunix_rt_nb.dataset import near

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_GROUP = 5_000  # prompts, about, that a worker compares at a time
_FOUND = "place binary, id string, reason string, of string, similarity double"


def near_duplicates(rows: "DataFrame", threshold: float) -> "DataFrame":
    """Find the prompts that are nearly the same as an earlier one, as `near.near_duplicates` does.

    Prompts that share a key are neighbours. That function never compares a prompt with others than
    the neighbours of its neighbours, and so on. So it finds the same in each such circle alone.

    Args:
      rows: the columns `place`, `id`, `prompt` and `answer`.
      threshold: the least similarity of near-duplicates.

    Returns:
      The columns `place`, `id`, `reason`, `of` and `similarity`: a row for each near-duplicate.
    """
    from pyspark.sql import functions as F

    # Only prompts of the same problem are compared, so those that are alone with theirs can go.
    schema = "place binary, id string, prompt string, answer string, problem long"
    problems = rows.select("place", "id", "prompt", "answer").mapInArrow(_problems, schema)
    alike = cluster.held(_shared(problems, "problem"))
    keys = alike.mapInArrow(partial(_keys, threshold), "id string, keys array<long>")
    edges = cluster.held(_shared(keys.select("id", F.explode("keys").alias("key")), "key"))
    circles = _circles(edges)
    # Several circles go into a group, because calling a worker for each one would be slow.
    groups = circles.count() // _GROUP + 1
    group = F.pmod(F.xxhash64("circle"), F.lit(groups))
    found = alike.join(circles.withColumn("group", group), "id").groupBy("group")
    # Spark 4.3 fails on a function with hints of types that it does not know.
    return found.applyInArrow(lambda table: _compare(threshold, table), _FOUND)


def _shared(frame: "DataFrame", column: str) -> "DataFrame":
    """Keep the rows whose value in a column is in other rows, too."""
    counts = frame.groupBy(column).count().where("count > 1").select(column)
    return frame.join(counts, column)


def _circles(edges: "DataFrame") -> "DataFrame":
    """Name the circle of each id: the least id that is reached over shared keys.

    Args:
      edges: the columns `id` and `key`; ids with the same key are neighbours.

    Returns:
      The columns `id` and `circle`.
    """
    from pyspark.sql import functions as F

    circles = cluster.held(edges.select("id").distinct().withColumn("circle", F.col("id")))
    least = F.min("circle").alias("circle")
    while True:
        # Each id takes the least name among its neighbours, until no name changes any more.
        of_keys = edges.join(circles, "id").groupBy("key").agg(least)
        named = cluster.held(edges.join(of_keys, "key").groupBy("id").agg(least))
        before = circles.withColumnRenamed("circle", "before")
        if named.join(before, "id").where("circle <> before").isEmpty():
            return named
        circles = named


def _problems(batches: Iterable[Any]) -> Iterator[Any]:
    import numpy as np
    import pyarrow as pa

    for batch in batches:
        texts = zip(*(batch.column(name).to_pylist() for name in ("prompt", "answer")), strict=True)
        found = np.array([near.problem(*each) for each in texts], np.uint64)
        yield batch.append_column("problem", pa.array(found.view(np.int64)))


def _keys(threshold: float, batches: Iterable[Any]) -> Iterator[Any]:
    import numpy as np
    import pyarrow as pa

    for batch in batches:
        problems = batch.column("problem").to_numpy().view(np.uint64)
        found = near.keys(batch.column("prompt").to_pylist(), problems, threshold)
        each = pa.array(list(found.view(np.int64)), pa.list_(pa.int64()))
        yield pa.RecordBatch.from_arrays([batch.column("id"), each], ["id", "keys"])


def _compare(threshold: float, table: Any) -> Any:
    """Find the near-duplicates among the prompts of some circles, in the order of their places."""
    import pyarrow as pa

    rows = table.sort_by("place").to_pylist()
    prompts, answers = ({row["id"]: row[name] for row in rows} for name in ("prompt", "answer"))
    found = near.near_duplicates(prompts, threshold, answers)
    refused = [{**row, **found[row["id"]]} for row in rows if row["id"] in found]
    columns = {"place": pa.binary(), "id": pa.string(), "reason": pa.string(), "of": pa.string()}
    schema = pa.schema({**columns, "similarity": pa.float64()})
    return pa.Table.from_pylist(refused, schema)
