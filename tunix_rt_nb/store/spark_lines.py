"""The lines of a store as frames of Spark, and DuckDB over some of them in a worker of Spark."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tunix_rt_nb.common import InputError, cluster, sql
from tunix_rt_nb.store import index, scores, shards
from tunix_rt_nb.store.views import COLUMNS
from tunix_rt_nb.trace import id_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyspark.sql import DataFrame, SparkSession

    from tunix_rt_nb.store.store import TraceStore

_MEMORY = "600MB"  # of DuckDB in one worker
_ID = (8, 36)  # the place and the length of the id in a line that this package wrote


class Lines(NamedTuple):
    """The lines of a store.

    Attributes:
      raw: the lines as the shards have them, in the column `line` of type binary.
      stored: the lines as a dataset keeps them, with their `id`. They differ from `raw` in shards
        that were put into the folder by hand.
      deleted: the ids of the traces to leave out.
    """

    raw: "DataFrame"
    stored: "DataFrame"
    deleted: list[str]


@contextmanager
def lines(spark: "SparkSession", store: "TraceStore") -> Iterator[Lines]:
    """Read the lines of a store with Spark within a `with` block; no shard is removed meanwhile.

    The workers must see the folder of the store under the same path as this machine.

    Raises:
      InputError: a shard is damaged; the message names file, line and field. Or Spark fails.
    """
    with store.held() as there:
        own = [shard for shard in there.shards if index.path_of(shard).exists()]
        by_hand = [shard for shard in there.shards if shard not in own]
        raw, rest = _read(spark, own), _read(spark, by_hand)
        stored = _with_id(raw)
        if by_hand:  # such a shard may repeat a trace
            others = _with_id(rest.mapInArrow(_rewritten, "line binary"))
            stored = stored.union(others).dropDuplicates(["id"])
        deleted = [id_of(key) for key in index.keys(shards.deleted(there.deletions))]
        try:
            with cluster.errors():
                yield Lines(raw.union(rest), stored, deleted)
        except InputError:
            if by_hand:  # the lines of all other shards are known to be sound
                store.check()  # if a line is damaged, this raises an error that names it
            raise


def _read(spark: "SparkSession", paths: Sequence[Path]) -> "DataFrame":
    from pyspark.sql.functions import col

    if not paths:
        return spark.createDataFrame([], "line binary")
    # A carriage return belongs to a line. A cast to binary keeps bytes that are not UTF-8.
    found = spark.read.text([_escaped(path) for path in paths], lineSep="\n")
    return found.select(col("value").cast("binary").alias("line"))


def _escaped(path: Path) -> str:
    r"""Return a path for Spark, which would read some characters as wildcards.

    Example:
      >>> _escaped(Path("/data/a[1]"))
      'file:///data/a\\[1\\]'
    """
    text = str(path.resolve())
    return "file://" + "".join(f"\\{c}" if c in "\\*?[]{}" else c for c in text)


def _with_id(frame: "DataFrame") -> "DataFrame":
    from pyspark.sql.functions import col, substring

    return frame.select(substring(col("line"), *_ID).cast("string").alias("id"), "line")


def _rewritten(batches: Iterable[Any]) -> Iterator[Any]:
    """Write the lines of others as this package writes them."""
    import pyarrow as pa

    for batch in batches:
        found = [shards.Stored.of(line, "") for line in batch.column("line").to_pylist()]
        own = [shards.line_of(trace, trace.key, at).removesuffix(b"\n") for trace, at in found]
        yield pa.RecordBatch.from_pydict({"line": pa.array(own, pa.binary())})


def load(connection: "DuckDBPyConnection", name: str, lines: Any) -> None:
    """Put the traces of some lines into a table, with the types that DuckDB reads from a shard.

    Args:
      connection: the database.
      name: the name of the table; an older table of this name is replaced.
      lines: an Arrow table with the column `line`.
    """
    connection.register("batch", lines)
    connection.execute(
        f"CREATE OR REPLACE TABLE {name} AS"
        f" SELECT unnest(from_json_strict(decode(line), '{json.dumps(COLUMNS)}')) FROM batch"
    )
    connection.unregister("batch")


def each_batch(
    deleted: Sequence[str], query: Callable[["DuckDBPyConnection"], Any], batches: Iterable[Any]
) -> Iterator[Any]:
    """Run a query on each batch of lines, in a worker: a function for `mapInArrow`.

    Args:
      deleted: the ids of the traces to leave out.
      query: called with a connection that has the views `traces` and `fields`, as
        `TraceStore.connect` has; returns an Arrow table.
      batches: Arrow batches with the column `line`.
    """
    import duckdb
    import pyarrow as pa

    with duckdb.connect(config={"threads": 1, "memory_limit": _MEMORY}) as connection:
        _prepare(connection, deleted)
        for batch in batches:
            load(connection, "shards", pa.Table.from_batches([batch]))
            yield from query(connection).to_batches()


def _prepare(connection: "DuckDBPyConnection", deleted: Sequence[str]) -> None:
    """Define the views of `TraceStore.connect`, and forbid access to anything else."""
    ids = {"ids": list(deleted)}
    connection.execute("CREATE TABLE deleted AS SELECT unnest($ids::VARCHAR[]) AS id", ids)
    columns = ", ".join(f"{column} {kind}" for column, kind in COLUMNS.items())
    connection.execute(f"CREATE TABLE shards ({columns})")
    connection.execute(sql("traces"))
    scores.define_counts(connection)
    connection.execute(sql("fields"))
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
