"""The choice of a dataset's traces by Spark, for stores that are too large for one machine.

The result is that of `choice.choose`, whatever the number of workers and partitions. What can be
told from one trace alone is told by the same queries, in DuckDB in the workers, on some lines at a
time. There each trace also gets its place: bytes that sort as the strategy orders the traces.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from tunix_rt_nb.common import cluster
from tunix_rt_nb.dataset import selection, spark_clean
from tunix_rt_nb.dataset.choice import SAMPLE, Choice, check_some
from tunix_rt_nb.dataset.evalset import EvalItem
from tunix_rt_nb.dataset.folder import SIDES
from tunix_rt_nb.dataset.spec import DatasetSpec
from tunix_rt_nb.store import TraceStore, spark_lines
from tunix_rt_nb.trace import OWN

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyspark.sql import DataFrame, SparkSession

# The columns of a trace that matches, and those of the row with which a worker counts its lines.
_TRACE = (
    "id string, created_at string, moment long, task string, step_count long, length long,"
    " prompt_key string, earlier string, prompt string, answer string, value string,"
    " is_eval boolean, eval_item string, place binary"
)
_COUNTS = "in_store long, matching long"
_FEW = 100_000  # places that this machine sorts by itself
_BLOCK = 1000  # lines that are carried together
_PART = 4 << 20  # characters, about, that one task sorts, and that come to this machine at a time


@contextmanager
def choose(
    spark: "SparkSession", store: TraceStore, spec: DatasetSpec, items: Sequence[EvalItem]
) -> Iterator[Choice]:
    """Choose the traces of a dataset with Spark.

    Args:
      spark: the session, as `cluster.session` opens it.
      store, spec, items: as for `choice.choose`; the workers must see the folder of the store.

    Raises:
      InputError: as `choice.choose` does, or because Spark fails.
    """
    query = partial(_match, spec, items)
    list(spark_lines.each_batch([], query, [_no_lines()]))  # raises if a filter is bad
    with spark_lines.lines(spark, store) as found:
        work = partial(spark_lines.each_batch, found.deleted, query)
        matching = cluster.held(found.raw.mapInArrow(work, f"{_TRACE}, {_COUNTS}"))
        selected = cluster.held(_select(matching.where("place IS NOT NULL"), spec))
        considered = {**_sums(matching, "in_store", "matching"), "selected": selected.count()}
        check_some(store, spec, considered)
        rejects = cluster.held(spark_clean.rejects(selected, spec, items))
        kept = cluster.held(_kept(selected, rejects))
        split, said = _statistics(kept)
        blocks = cluster.held(_blocks(found.stored, kept, _parts(said)))
        contents = {
            f"{side}.jsonl": _lines(blocks, f"is_eval = {side == 'eval'}") for side in SIDES
        }
        told = cluster.held(rejects.orderBy("place").mapInArrow(spark_clean.told, "lines binary"))
        yield Choice(
            considered,
            spark_clean.counts(rejects),
            split,
            said,
            [id for row in blocks.select("ids").toLocalIterator() for id in row["ids"].split()],
            _sample(found.stored, kept),
            {**contents, "rejects.jsonl": _lines(told)},
        )


def _no_lines() -> Any:
    import pyarrow as pa

    return pa.RecordBatch.from_pydict({"line": pa.array([], pa.binary())})


def _match(spec: DatasetSpec, items: Sequence[EvalItem], connection: "DuckDBPyConnection") -> Any:
    """Find the traces that match and their places, in a worker; the last row has the counts.

    Args:
      spec, items: as for `choose`.
      connection: has the view `fields` of some traces.

    Returns:
      An Arrow table with the columns of `_TRACE` and `_COUNTS`.
    """
    selection.match(connection, spec, items)
    placed, parameters = selection.placed(spec)
    names = ", ".join(cluster.names_of(_TRACE))
    query = f"""
        SELECT {names} FROM (
            SELECT * REPLACE (value::VARCHAR AS value), epoch_us(created_at::TIMESTAMP) AS moment
            FROM ({placed})
        )
        UNION ALL BY NAME
        SELECT
            (SELECT count(*) FROM traces) AS in_store, (SELECT count(*) FROM matching) AS matching
    """
    return connection.sql(query, params=parameters).to_arrow_table()


def _sums(frame: "DataFrame", *columns: str) -> dict[str, int]:
    from pyspark.sql import functions as F

    [row] = frame.agg(*(F.sum(column).alias(column) for column in columns)).collect()
    return {column: row[column] or 0 for column in columns}


def _select(chosen: "DataFrame", spec: DatasetSpec) -> "DataFrame":
    """Keep the traces that the strategy selects; add the `first_id` that `select.sql` adds."""
    from pyspark.sql import Window, functions as F

    if spec.selection_strategy == "stratified":
        found = {row["value"]: row["count"] for row in chosen.groupBy("value").count().collect()}
        wanted = list(selection.quotas(spec, found).items())
        quotas = chosen.sparkSession.createDataFrame(wanted, "value string, quota long")
        rank = F.row_number().over(Window.partitionBy("value").orderBy("place"))
        ranked = chosen.join(F.broadcast(quotas), "value").withColumn("rank", rank)
        chosen = ranked.where("rank <= quota")
    elif spec.limit is not None and chosen.count() > spec.limit:
        last = nth_place(chosen.select("place"), spec.limit)
        chosen = chosen.where(F.col("place") <= F.lit(last))
    same = Window.partitionBy("prompt_key", "earlier").orderBy("place")
    return chosen.withColumn("first_id", F.first("id").over(same))


def nth_place(places: "DataFrame", n: int, few: int = _FEW) -> bytes:
    """Return the n-th of all places in order, without sorting them all in one task.

    Count them by their beginnings, then look only at those with the beginning of the n-th.

    Args:
      places: the column `place`.
      n: the first is 1.
      few: how many places this machine may sort.
    """
    from pyspark.sql import functions as F

    while True:
        ends = F.min("place"), F.max("place"), F.count("place")
        [(least, most, count)] = places.agg(*ends).collect()
        if count <= few:
            return sorted(bytes(row["place"]) for row in places.collect())[n - 1]
        alike = next(k for k, (a, b) in enumerate(zip(least, most, strict=False)) if a != b)
        beginning = F.substring("place", 1, alike + 2)
        for begins, count in sorted(places.groupBy(beginning).count().collect()):
            if n <= count:
                places = places.where(beginning == F.lit(bytes(begins)))
                break
            n -= count


def _kept(selected: "DataFrame", rejects: "DataFrame") -> "DataFrame":
    """Keep the traces that are not refused, with what a manifest says of them; see `kept.sql`."""
    from pyspark.sql import functions as F

    task = F.coalesce("task", F.lit(OWN)).alias("task")
    said = ("id", "place", "is_eval", "created_at", "moment", "step_count", "length")
    return selected.join(rejects.select("id"), "id", "left_anti").select(*said, task)


def _statistics(kept: "DataFrame") -> tuple[dict[str, int], dict[str, Any]]:
    """Count the traces: those of each side, and what `statistics.sql` and `tasks.sql` say.

    Spark adds up whole numbers only: a sum of fractions would depend on the partitions.
    """
    from pyspark.sql import functions as F

    rows = kept.groupBy("task", "is_eval").agg(
        F.count("*").alias("traces"),
        F.sum("step_count").alias("steps"),
        F.min("step_count").alias("least"),
        F.max("step_count").alias("most"),
        F.sum("length").alias("length"),
        F.max(F.struct("moment", "created_at")).alias("newest"),
    )
    found = sorted(rows.collect(), key=lambda row: row["task"])
    split = dict.fromkeys(SIDES, 0)
    by_task: dict[str, dict[str, int]] = {}
    for row in found:
        side = SIDES[row["is_eval"]]
        split[side] += row["traces"]
        by_task.setdefault(row["task"], dict.fromkeys(SIDES, 0))[side] = row["traces"]
    if not found:
        return split, {}
    count = sum(split.values())
    stats = {
        "avg_step_count": _mean(sum(row["steps"] for row in found), count),
        "min_step_count": min(row["least"] for row in found),
        "max_step_count": max(row["most"] for row in found),
        "avg_total_chars": _mean(sum(row["length"] for row in found), count),
    }
    newest = max(row["newest"] for row in found)["created_at"]
    return split, {
        "created_at": newest,
        "trace_count": count,
        "tasks": by_task,
        "stats": stats,
    }


def _mean(total: int, count: int) -> float:
    """Round a mean as `statistics.sql` does."""
    import duckdb

    with duckdb.connect() as connection:
        query = "SELECT round($total::DOUBLE / $count, 4)"
        [(mean,)] = connection.execute(query, {"total": total, "count": count}).fetchall()
    return float(mean)


def _parts(said: Mapping[str, Any]) -> int:
    """Return the number of parts to cut the lines into; Spark itself would make parts too large."""
    characters = said["trace_count"] * said["stats"]["avg_total_chars"] if said else 0
    return int(characters) // _PART + 1


def _blocks(stored: "DataFrame", kept: "DataFrame", parts: int) -> "DataFrame":
    """Sort the lines of a dataset, and join them: `is_eval`, `ids` and `lines` of up to 1000."""
    placed = stored.join(kept.select("id", "place", "is_eval"), "id")
    order = "is_eval", "place"
    ordered = placed.repartitionByRange(parts, *order).sortWithinPartitions(*order)
    return ordered.select("is_eval", "id", "line").mapInArrow(
        _joined, "is_eval boolean, ids string, lines binary"
    )


def _joined(batches: Iterable[Any]) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    for batch in batches:
        is_eval = batch.column("is_eval")
        for side, rows in (
            (False, batch.filter(pc.invert(is_eval))),
            (True, batch.filter(is_eval)),
        ):
            for start in range(0, rows.num_rows, _BLOCK):
                part = rows.slice(start, _BLOCK)
                lines = b"".join(line + b"\n" for line in part.column("line").to_pylist())
                ids = " ".join(part.column("id").to_pylist())
                block = {"is_eval": [side], "ids": [ids], "lines": [lines]}
                yield pa.RecordBatch.from_pydict(block)


def _lines(blocks: "DataFrame", where: str = "true") -> Iterator[bytes]:
    for row in blocks.where(where).select("lines").toLocalIterator():
        yield bytes(row["lines"])


def _sample(stored: "DataFrame", kept: "DataFrame") -> list[bytes]:
    """Return the lines of the traces with the lowest ids."""
    from pyspark.sql import functions as F

    lowest = kept.select("id").orderBy("id").limit(SAMPLE)
    return [bytes(row["line"]) for row in sorted(stored.join(F.broadcast(lowest), "id").collect())]
