"""The records of an export, made by the workers of Spark and written by this machine."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tunix_rt_nb.common import InputError, cluster
from tunix_rt_nb.store import spark_lines

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyspark.sql import SparkSession

_PART = 16 << 20  # bytes, about, of which a worker makes records at a time
_MEMORY = "600MB"  # of DuckDB in one worker


class _Part(NamedTuple):
    """Whole lines of a file: those from the byte `start` to the byte `end`."""

    path: Path
    start: int
    end: int


def define(
    connection: "DuckDBPyConnection",
    spark: "SparkSession",
    paths: Sequence[Path],
    query: str,
    values: Mapping[str, Any],
) -> None:
    """Define a view `records` that can be read once: the result of a query, made by Spark.

    Args:
      connection: the database.
      spark: the session.
      paths: files of a dataset; the workers must see them under the same paths.
      query: a query for the records of the view `lines`. It looks at each trace alone.
      values: parameter name -> the value to bind.
    """
    import pyarrow as pa

    parts = [part for path in paths for part in _parts(path)]
    blocks = cluster.ordered(spark, partial(_records, query, dict(values)), parts)
    first = pa.ipc.open_stream(next(blocks))
    others = (batch for block in blocks for batch in pa.ipc.open_stream(block))
    stream = pa.RecordBatchReader.from_batches(first.schema, chain(first, others))
    connection.register("records", stream)


def _parts(path: Path) -> Iterator[_Part]:
    start, size = 0, path.stat().st_size
    with path.open("rb") as file:
        while start < size:
            file.seek(min(start + _PART, size))
            file.readline()
            yield _Part(path, start, file.tell())
            start = file.tell()


def _records(query: str, values: Mapping[str, Any], part: _Part) -> bytes:
    """Run the query on some lines, in a worker; return the records in Arrow's stream format."""
    import duckdb
    import pyarrow as pa

    with part.path.open("rb") as file:
        file.seek(part.start)
        text = file.read(part.end - part.start)
    if len(text) < part.end - part.start:
        raise InputError(f"{part.path}: was cut off")
    with duckdb.connect(config={"threads": 1, "memory_limit": _MEMORY}) as connection:
        connection.execute("SET arrow_lossless_conversion = true")  # else JSON would become text
        lines = text.removesuffix(b"\n").split(b"\n")
        spark_lines.load(connection, "lines", pa.table({"line": pa.array(lines, pa.binary())}))
        found = connection.sql(query, params=dict(values)).to_arrow_table()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, found.schema) as writer:
        writer.write_table(found)
    return sink.getvalue().to_pybytes()
