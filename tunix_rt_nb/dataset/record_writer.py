"""Writers of the two kinds of files that DuckDB does not write: ArrayRecord and TFRecord."""

from typing import Any, Protocol

from tunix_rt_nb.common import InputError

LIBRARIES = {  # kind -> its name, and the package that writes it
    ".array_record": ("ArrayRecord", "array_record"),
    ".tfrecord": ("TFRecord", "tensorboardX"),
}


class RecordWriter(Protocol):
    """A writer of one file."""

    def write(self, record: bytes) -> Any:
        """Append a record."""

    def close(self) -> None:
        """Write what is left, and close the file."""


def open_writer(kind: str, path: str) -> RecordWriter:
    """Open the writer of a new file; `kind` is one of `LIBRARIES`.

    Raises:
      InputError: the library for the kind is missing.
    """
    try:
        if kind == ".tfrecord":
            from tensorboardX.record_writer import RecordWriter as TFRecordWriter

            return TFRecordWriter(path)
        from array_record.python.array_record_module import ArrayRecordWriter

        return ArrayRecordWriter(path, "group_size:1")  # lets readers find a record by its number
    except ImportError:
        name, package = LIBRARIES[kind]
        raise InputError(
            f"{name}: needs a library that is not installed: pip install {package}"
        ) from None
