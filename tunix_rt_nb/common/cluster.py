"""Spark, for traces that are too many for one machine: a session, work on its workers, its errors.

Spark itself only sorts, counts, joins and carries bytes. What looks at one trace is this package's
own code, which runs in Spark's workers on some lines at a time. So the bytes that come out are
those that one machine writes.
"""

import os
import pickle
import shutil
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.common.text import one_line

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Job = TypeVar("Job")
Result = TypeVar("Result")

_INSTALL = "pip install 'tunix-rt-nb[spark]'"
_JAVA = "install Java 17 or later, or let JAVA_HOME name its folder"
_RETRIES = 4  # of a task whose worker was killed; the default on a cluster, but not on one machine
_DECIDING = ("tunix_rt_nb", "duckdb", "rensa", "pyarrow")  # packages that decide what is written


@contextmanager
def session(master: str | None = None) -> Iterator["SparkSession"]:
    """Open a session with a Spark cluster within a `with` block.

    Args:
      master: `local[2]` for two cores of this machine, `spark://HOST:7077`, `yarn`, `k8s://...`, or
        `sc://HOST` for Spark Connect. None for the one that the environment names, as
        `spark-submit` and Databricks do, or else all cores of this machine.

    Raises:
      InputError: PySpark or Java is missing, the cluster cannot be reached, or its workers have
        another version of Python or of a package that decides what is written.
    """
    spark = _open(master)
    try:
        check_workers(spark)
        yield spark
    finally:
        with suppress(Exception):  # the cluster may be gone
            spark.stop()


def _open(master: str | None) -> "SparkSession":
    try:
        import pyarrow  # noqa: F401
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise InputError(f"spark: {error.name} is not installed: {_INSTALL}") from None
    builder: Any = SparkSession.builder.appName("tunix-rt-nb")
    if master and master.startswith("sc://"):
        builder = builder.remote(master)
    elif not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        raise InputError(f"spark: found no Java, {_JAVA}")
    elif master is not None:
        builder = builder.master(_with_retries(master))
        if master.startswith("local"):
            builder = _on_this_machine(builder)
    # Spark warns of each use of its functions for pandas, and this package uses none of these.
    warnings.filterwarnings("ignore", "PySpark does not yet", FutureWarning)
    with errors():
        return builder.getOrCreate()


def _with_retries(master: str) -> str:
    """Let a session on this machine retry a failed task, as a cluster does.

    Example:
      >>> _with_retries("local[2]"), _with_retries("spark://host:7077")
      ('local[2,4]', 'spark://host:7077')
    """
    if master == "local":
        return f"local[1,{_RETRIES}]"
    if master.startswith("local[") and "," not in master:
        return master.replace("]", f",{_RETRIES}]")
    return master


def _on_this_machine(builder: Any) -> Any:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else workers take the PATH's python3
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # this machine's name may lead nowhere
    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "4g",
        # A larger result waits among the blocks, where it gets lost when memory is short.
        "spark.task.maxDirectResultSize": "64m",
        "spark.log.level": "OFF",  # `errors` tells what went wrong
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "8",
    }
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder


def check_workers(spark: "SparkSession") -> None:
    """Raise `InputError` if the workers lack a package, or have it or Python in another version."""
    with errors():
        [row] = spark.range(1).mapInArrow(_versions, "versions string").collect()
    here, there = _told_versions(), row["versions"]
    if here != there:
        raise InputError(
            f"spark: this machine has {here}, the workers have {there}: install the same versions,"
            " and let PYSPARK_PYTHON name their Python"
        )


def _versions(batches: Iterable[Any]) -> Iterator[Any]:
    import pyarrow as pa

    for _ in batches:
        yield pa.RecordBatch.from_pydict({"versions": [_told_versions()]})


def _told_versions() -> str:
    from importlib.metadata import version  # slow to load

    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    return ", ".join([python, *(f"{name} {version(name)}" for name in _DECIDING)])


def ordered(
    spark: "SparkSession", work: Callable[[Job], Result], jobs: Sequence[Job]
) -> Iterator[Result]:
    """Yield the result of each job, in the order of the jobs, as `workers.ordered` does.

    Args:
      spark: the session.
      work: a module-level function, or a `partial` of one. It, the jobs and the results must be
        picklable.
      jobs: the jobs, of about the same size.

    Raises:
      InputError: a job failed, or the cluster did.
    """
    import pyarrow as pa

    if not jobs:
        return
    table = pa.table({"place": range(len(jobs)), "job": [pickle.dumps(job) for job in jobs]})
    with errors():
        frame = spark.createDataFrame(table)
        tasks = min(len(jobs), int(spark.conf.get("spark.sql.shuffle.partitions") or 1))
        shared = frame.repartitionByRange(tasks, "place")
        each = shared.sortWithinPartitions("place").mapInArrow(_Runner(work), "result binary")
        for row in held(each).toLocalIterator():
            yield pickle.loads(row["result"])  # our own workers wrote it


class _Runner:
    """A function for `mapInArrow` that runs the pickled jobs of a batch."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self._work = work

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow as pa

        for batch in batches:
            for job in batch.column("job").to_pylist():
                result = pickle.dumps(self._work(pickle.loads(job)))
                yield pa.RecordBatch.from_pydict({"result": [result]})


def held(frame: "DataFrame") -> "DataFrame":
    """Compute the rows of a frame once, on all workers, and keep them there while it is used.

    If a worker's machine is lost, its rows are lost, and what uses them fails. They survive if the
    setting `spark.checkpoint.dir` names a folder that all machines see.

    A frame that is only cached would keep the plan that led to it. Plans grow with each step, and
    Spark writes them out as text, which soon takes longer than the work.
    """
    if frame.sparkSession.conf.get("spark.checkpoint.dir", ""):
        return frame.checkpoint()
    return frame.localCheckpoint()


def names_of(columns: str) -> list[str]:
    """Return the names of columns that are declared as Spark has it.

    Example:
      >>> names_of("id string, steps long")
      ['id', 'steps']
    """
    return [column.split()[0] for column in columns.split(",")]


@contextmanager
def errors() -> Iterator[None]:
    """Turn an error of Spark in a `with` block into an `InputError` of one line."""
    from py4j.protocol import Py4JError, Py4JNetworkError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JNetworkError, ConnectionError, EOFError) as error:
        raise InputError("spark: the cluster stopped, start it and run this again") from error
    except (PySparkException, Py4JError) as error:
        raise InputError(_told(str(error))) from error


def _told(text: str) -> str:
    """Return what went wrong in one line, from the text of an error of Spark.

    Example:
      >>> _told("Job aborted\\nTraceback (most recent call last):\\n  File ...\\nOSError: no space")
      'spark: a worker failed: OSError: no space'
    """
    if "JAVA_GATEWAY_EXITED" in text:
        return f"spark: Java did not start, {_JAVA}"
    _, traced, trace = text.rpartition("Traceback (most recent call last):\n")
    if not traced:
        said = [line.strip() for line in text.splitlines() if line.strip()]
        # An error of Java names its kind after a colon, and what caused it in the last lines.
        causes = [line for line in said if line.startswith((": ", "Caused by: "))]
        found = [*said[:1], *causes][-1] if said else "the cluster stopped"
        return f"spark: {one_line(found.removeprefix(': '), 400)}"
    raised = next((line for line in trace.splitlines() if line[:1].strip()), "")
    kind, _, message = raised.partition(": ")
    if kind.endswith(".InputError"):
        return one_line(message, 1_000)
    return f"spark: a worker failed: {one_line(raised, 400)}"
