"""Export of traces as records in JSON lines, Parquet, CSV, ArrayRecord or TFRecord files.

DuckDB makes the records, with one query per format in `common/queries/`. It also writes the files,
except ArrayRecord and TFRecord. The records of a dataset have the order of its side to train on, or
of this and then of the side that is held out; those of given ids have the order of the ids. The
number of threads or shards does not change the order.
"""

import json
import os
import re
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tunix_rt_nb.common import InputError, files, one_line, sql, unknown
from tunix_rt_nb.dataset import record_writer, shards
from tunix_rt_nb.dataset.folder import SIDES, Named, check_output, form_of, read_manifest
from tunix_rt_nb.store import COLUMNS, TraceStore, define
from tunix_rt_nb.trace import Form, form as form_named, formats

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# A single thread would cut Parquet into different row groups; many threads need over a gigabyte.
_LEAST, _MOST, _MEMORY = 2, 4, "600MB"
FORMS = tuple(formats.EXPORTS)
SPLITS = (*SIDES, "all")
_USUAL = Named("gemma", "numbered", "")  # the form in which the service `tunix-rt` exported
_APPLIES = {  # format -> the parts of a form that its records are written in
    "tunix_sft": ("template", "style", "system"),
    "messages": ("style", "system"),
    "training_example": ("style",),
    "trace": (),
}


class Exported(NamedTuple):
    """The number of traces written, and the number left out because they are deleted."""

    written: int
    deleted: int


def export(
    path: Path,
    form: str = "tunix_sft",
    *,
    dataset: Path | None = None,
    split: str | None = None,
    ids: Sequence[str] = (),
    store: TraceStore | None = None,
    template: str | None = None,
    style: str | None = None,
    system: str | None = None,
    threads: int | None = None,
    spark: "SparkSession | None" = None,
) -> Exported:
    """Write the traces of a dataset, or the traces with the given ids, one record per trace.

    Args:
      path: the file to write; its name ends with `.jsonl`, `.jsonl.gz`, `.parquet`, `.csv`,
        `.array_record` or `.tfrecord`. It appears complete and flushed to the disk, or not at all.
        It replaces a file of the same name.
      form: the format of the records: `tunix_sft`, `training_example`, `messages` or `trace`.
      dataset: the folder of a dataset.
      split: `train` or `eval`, one side of the dataset, or `all`; None for `train`.
      ids: given instead of a dataset: the ids of traces in the store, or beginnings of ids that
        only one trace has.
      store: the store that has the traces of `ids`. If a dataset is given, the traces that were
        deleted in this store are left out; None leaves out none.
      template, style, system: the form to write the texts in; None for the one that the dataset
        names, or else Gemma's template with numbered steps. Records in any other form name it in
        `metadata.form`.
      threads: the number of threads that DuckDB may use on a dataset; with ids, the store decides.
      spark: a session of Spark, whose workers make the records of a dataset and see its folder;
        None to make them on this machine alone. The bytes are the same.

    Raises:
      InputError: both a dataset and ids are given, or neither; the format, kind, side, template,
        style or an id is unknown; records of this format have no template, style or system message,
        but one is given; the dataset is incomplete or was altered; there is nothing to write; the
        library for the kind is missing; or the file cannot be written.

    Example:
      >>> import tempfile
      >>> from tunix_rt_nb.trace.trace import Trace
      >>> folder = Path(tempfile.mkdtemp())
      >>> store = TraceStore(folder / "traces")
      >>> trace = Trace.of("What is 2 + 2?", [("compute", "2 + 2 = 4.")], "4")
      >>> _ = store.add([trace], created_at="2026-01-01T00:00:00Z")
      >>> export(folder / "x.jsonl", "training_example", ids=[trace.id], store=store)
      Exported(written=1, deleted=0)
    """
    if form not in FORMS:
        raise unknown("format", form, FORMS)
    kind = _kind(path)
    if (dataset is None) == (not ids):
        raise InputError("export: give either the key of a dataset or ids of traces")
    source: _Dataset | _Picked
    if dataset is not None:
        split = split or "train"
        if split not in SPLITS:
            raise unknown("split", split, SPLITS)
        source = _Dataset(dataset, SIDES if split == "all" else [split], store, threads, spark)
    elif store is None or split is not None or spark is not None:
        raise InputError("export: ids need a store, and cannot be combined with a split or Spark")
    else:
        source = _Picked(store, ids)
    named = _named(form, Named(template, style, system), source.named)
    _check_output(path, source.folder)
    files.sweep(path.parent)
    with files.draft(path.parent) as new:
        if kind in record_writer.LIBRARIES:
            writer = record_writer.open_writer(kind, str(new.path))
            written = _write_records(source, form, named, writer, path.parent)
        else:
            written = source.copy(_copy(source.rows, form, named, kind), new.path)
        if not written:
            raise InputError(f"{source.folder}: there is nothing to export, all traces are deleted")
        new.publish(path)
    return Exported(written, source.count - written)


def _named(form: str, asked: Named, dataset: Named) -> Named:
    """Return the whole form to export in.

    Args:
      form: the format of the records, one of `FORMS`.
      asked: the parts that the caller gives, which come first.
      dataset: the parts that the dataset names.

    Raises:
      InputError: records of this format have no part that the caller gives.
    """
    for part, value in asked._asdict().items():
        if value is not None and part not in _APPLIES[form]:
            raise InputError(f"{part}: has no effect on records of format {form}, leave it out")
    found = zip(asked, dataset, _USUAL, strict=True)
    return Named(*(next(value for value in each if value is not None) for each in found))


# The two sources of traces have the same attributes: `folder`, where the traces are; `rows`, a
# query for them; `count`, their number, deleted ones included; `named`, the form that they name;
# and `copy`, which writes their records to a file and returns how many these are.


class _Copy(NamedTuple):
    """How to write the records of traces to a file.

    Attributes:
      records: a query for the records, with parameters written as `$name`.
      values: parameter name -> the value to bind.
      options: the options of DuckDB's COPY.
    """

    records: str
    values: dict[str, str | bool]
    options: str

    def statement(self, records: str) -> str:
        """Return the statement that writes the result of a query to the file `$path`."""
        return f"COPY ({records}) TO $path ({self.options})"


class _Dataset:
    rows = sql("export_dataset")

    def __init__(
        self,
        folder: Path,
        sides: Sequence[str],
        store: TraceStore | None,
        threads: int | None,
        spark: "SparkSession | None",
    ) -> None:
        manifest = read_manifest(folder)
        self.folder, self.named = folder, form_of(manifest)
        self.count = sum(n for side, n in manifest["split"].items() if side in sides)
        if not self.count:
            raise InputError(f"{folder}: there is nothing to export, the side {sides[0]} is empty")
        self._sides, self._shard_count = sides, manifest.get("shards")
        for side in sides:
            shards.check_side(folder, side, manifest)
        # Group the deleted ids into 256 lists by their first two digits, for `export_dataset.sql`.
        self._deleted: list[list[str]] = [[] for _ in range(256)]
        for id in store.deleted() if store else ():
            self._deleted[int(id[:2], 16)].append(id)
        self._threads = max(threads or min(_MOST, os.cpu_count() or 1), _LEAST)
        self._spark = spark

    def copy(self, copy: _Copy, path: Path) -> int:
        import duckdb

        with shards.whole(self.folder, self._sides, self._shard_count, path.parent) as sources:
            run = partial(self._run, copy, path, sources)
            try:
                try:
                    return run(threads=self._threads, memory_limit=_MEMORY)
                except duckdb.OutOfMemoryException:  # happens if traces take some hundred kilobytes
                    return run(threads=_LEAST)
            except duckdb.Error as error:
                raise InputError(f"{self.folder}: {one_line(str(error))}") from error

    def _run(self, copy: _Copy, path: Path, sources: list[Path], **config: Any) -> int:
        import duckdb

        values: dict[str, Any] = {**copy.values, "deleted": self._deleted}
        records = copy.records
        with duckdb.connect(config={**config, "temp_directory": ""}) as connection:
            if self._spark is None:
                define(connection, "lines", COLUMNS, sources)
            else:
                from tunix_rt_nb.dataset import spark_export  # needs PySpark

                spark_export.define(connection, self._spark, sources, records, values)
                records, values = "FROM records", {}
            statement = copy.statement(records)
            [(written,)] = connection.execute(statement, {**values, "path": str(path)}).fetchall()
        return int(written)


class _Picked:
    rows = sql("export_ids")

    def __init__(self, store: TraceStore, ids: Sequence[str]) -> None:
        short = [id for id in ids if len(id) < 36]
        whole = dict(zip(short, (found.trace.id for found in store.get(short)), strict=True))
        deleted = set(store.deleted())
        asked = dict.fromkeys(whole.get(id, id.lower()) for id in ids)
        self.folder, self.named = store.folder, form_of({})
        self.count = len(asked)
        self._store = store
        self._ids = [id for id in asked if id not in deleted]

    def copy(self, copy: _Copy, path: Path) -> int:
        values = {**copy.values, "ids": self._ids, "path": str(path)}
        with self._store.connect(also=[path]) as connection:
            [(written,)] = connection.execute(copy.statement(copy.records), values).fetchall()
        if written < len(self._ids):
            self._store.get(self._ids)  # raises an error that names a missing id
        return int(written)


_METADATA = "metadata::VARCHAR AS metadata"
_OPTIONS = {
    ".jsonl": "FORMAT json",
    ".jsonl.gz": "FORMAT json, COMPRESSION gzip",
    ".parquet": "FORMAT parquet, ROW_GROUP_SIZE 20480",  # a whole group is held in memory
    ".csv": "FORMAT csv, HEADER",
}


KINDS = (*_OPTIONS, *record_writer.LIBRARIES)


def _copy(rows: str, form: str, named: Named, kind: str) -> _Copy:
    """Build the query for the records of traces, and say how DuckDB is to write them.

    Args:
      rows: a query for the traces.
      form: the format of the records, one of `FORMS`.
      named: the template, style and system message.
      kind: the kind of file, one of `KINDS`.
    """
    how = form_named(named.template or "", named.style or "", named.system or "")
    applied = {part: getattr(named, part) for part in _APPLIES[form]}
    is_usual = applied.items() <= _USUAL._asdict().items()
    parts = {part: sql(f"export_{part}") for part in ("earlier", "metadata", "response")}
    parts["form"] = "" if is_usual else ", 'form', $form::JSON"
    records = sql(f"export_{form}").format(**parts)
    lists = [f"to_json({name}) AS {name}" for name in formats.named(form).lists]
    as_text = {".parquet": [_METADATA], ".csv": [_METADATA, *lists]}.get(kind, [])
    replace = f"REPLACE ({', '.join(as_text)})" if as_text else ""
    # DuckDB must write to this path itself and rename nothing, because only this file is flushed.
    options = f"{_OPTIONS[kind]}, USE_TMP_FILE false"
    query = f"WITH exported AS (\n{rows}) SELECT * {replace} FROM (\n{records})"
    values = {**_texts(how, form), "form": json.dumps(applied)}
    used = set(re.findall(r"\$([a-z_]+)", query))  # DuckDB takes no others
    return _Copy(query, {name: value for name, value in values.items() if name in used}, options)


def _texts(how: Form, form: str) -> dict[str, str | bool]:
    """Return the texts between the parts of a trace, by the names that the queries give them."""
    template, style = how.template, how.style
    names = ("before_prompt", "before_system", "after_system", "after_prompt", "next_turn", "stop")
    return {
        **{name: getattr(template, name) for name in (*names, "before_response", "system_last")},
        **{name: getattr(style, name) for name in ("opening", "middle", "closing")},
        "system": how.system or (template.default_system if form == "tunix_sft" else ""),
        "request": formats.REQUEST,
    }


def _write_records(
    source: _Dataset | _Picked,
    form: str,
    named: Named,
    writer: record_writer.RecordWriter,
    folder: Path,
) -> int:
    """Write an ArrayRecord or TFRecord file, and return the number of its records.

    Each record is the JSON text that the `.jsonl` export has for the trace.

    Args:
      source: the traces to write.
      form: the format of the records, one of `FORMS`.
      named: the template, style and system message.
      writer: the writer of an ArrayRecord or TFRecord file; it is closed at the end.
      folder: the folder for a temporary file of JSON lines.
    """
    with files.draft(folder) as lines:
        try:
            with closing(writer):
                written = source.copy(_copy(source.rows, form, named, ".jsonl"), lines.path)
                with lines.path.open("rb") as file:
                    for line in file:
                        writer.write(line.removesuffix(b"\n"))
        except RuntimeError as error:  # from ArrayRecord, for example if the disk is full
            raise InputError(f"{folder}: cannot be written: {one_line(str(error))}") from None
    return written


def _kind(path: Path) -> str:
    for kind in KINDS:
        if path.name.endswith(kind):
            return kind
    raise InputError(f"{path}: the ending is unknown, expected one of: {', '.join(KINDS)}")


def _check_output(path: Path, source: Path) -> None:
    if path.parent.resolve() == source.resolve():
        raise InputError(f"{path}: is in the folder that is exported, give another folder")
    check_output(path)
