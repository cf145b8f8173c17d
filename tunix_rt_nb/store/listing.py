"""The files in the folder of a trace store.

traces-HASH.jsonl      a shard, written once: each line has `id`, `created_at` and the trace
deleted-HASH.jsonl     ids of deleted traces, written once
.traces-HASH.index     which traces are in a shard and where (index.py)
.held.json             the names of all shards and deletion files, so that a removed one is missed
.merge.json            the shards that a new shard replaces; exists until they are removed
.lock                  locked by the one process that may add shards or deletions (locks.py)

A killed process can leave behind a temporary file, an index without its shard, a new file that is
not in `.held.json`, or shards that `.merge.json` lists as replaced. All of this is harmless, and
the next writer puts it right (writing.py). A name in `.merge.json` can neither lead out of the
folder nor cost a trace: the new shard has to hold all traces of the shards that it replaces.
"""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tunix_rt_nb.common import InputError, one_line
from tunix_rt_nb.store import index, shards

HELD, MERGE = ".held.json", ".merge.json"
_SHARD, _DELETION = "traces-*.jsonl", "deleted-*.jsonl"
_OURS = (_SHARD, _DELETION, ".traces-*.index", ".draft-*.tmp", HELD, MERGE)
_UNDO = f"remove {MERGE}, then run: tunix-rt-nb traces compact"


class Listing(NamedTuple):
    """What a folder holds; the paths are in the order of their names.

    Attributes:
      shards: the shards, without those that a merge has replaced.
      deletions: the files that record deletions.
      missing: the shards and deletion files that are recorded in `.held.json`, but were removed.
      recorded: False if there is no such record, because an earlier version wrote the folder.
      merging: True if a killed merge left its `.merge.json`.
      replaced: the names of the shards that it has replaced; it may have removed some already.
    """

    shards: list[Path]
    deletions: list[Path]
    missing: list[Path]
    recorded: bool
    merging: bool
    replaced: set[str]


def found(folder: Path) -> Listing:
    """List the files of a store, those that were removed too.

    Raises:
      InputError: one of them is not a regular file, or its name is not printable; the folder cannot
        be read; or `.merge.json` or `.held.json` is damaged or names other files than its own.
    """
    # Read the record first, because a file that is recorded later may not be in the list below.
    held = record(folder)
    every = paths(folder)
    whole = [path for path in every if fnmatchcase(path.name, _SHARD)]
    deletions = [path for path in every if fnmatchcase(path.name, _DELETION)]
    merge = _merge(folder)
    replaced = _replaced(folder, merge, whole, deletions) if merge else set()
    missing = {folder / name for name in held or ()} - {*every, *(folder / n for n in replaced)}
    return Listing(
        [path for path in whole if path.name not in replaced],
        deletions,
        sorted(missing),
        recorded=held is not None,
        merging=merge is not None,
        replaced=replaced,
    )


def complete(folder: Path) -> Listing:
    """List the files of a store, and make sure that none was removed.

    Raises:
      InputError: as `found` does, or because a shard or deletion file was removed.
    """
    there = found(folder)
    for path in there.missing:
        raise InputError(removed(path))
    return there


def removed(path: Path) -> str:
    """Return the message about a shard or deletion file that was removed."""
    lost = "its traces are gone" if fnmatchcase(path.name, _SHARD) else "what it deleted is back"
    note = path.with_name(HELD)
    return f"{path}: was removed, so {lost}; restore it or, if this is intended, remove {note}"


def paths(folder: Path) -> list[Path]:
    """List the files of a store, temporary ones too; other files in the folder are left out.

    Raises:
      InputError: one of them is not a regular file, or its name is not printable; or the folder
        cannot be read.
    """
    try:
        every = list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror}") from None
    ours = [path for path in every if any(fnmatchcase(path.name, form) for form in _OURS)]
    for path in ours:
        if not path.name.isprintable():
            raise InputError(f"{folder}: the name {path.name!r} is not printable, rename this file")
        if not path.is_file():  # a pipe, for example, and reading it would never end
            raise InputError(f"{path}: is no file, move it out of this folder")
    return sorted(ours)


def record(folder: Path) -> list[str] | None:
    """Read the names of the files that a folder should hold; None if there is no record of them.

    Raises:
      InputError: the record is damaged.
    """
    names: list[str] | None = _read(folder / HELD, list[str], f"remove {HELD}")
    for name in names or ():
        if not shards.HASHED.fullmatch(name):
            raise InputError(f"{folder / HELD}: {_foreign(name)}; remove {HELD}")
    return names


class _Merge(msgspec.Struct):
    into: str
    replaced: set[str]


def _merge(folder: Path) -> _Merge | None:
    """Read `.merge.json`; return None if there is none. Raise `InputError` if it is damaged."""
    merge: _Merge | None = _read(folder / MERGE, _Merge, _UNDO)
    for name in (merge.into, *merge.replaced) if merge else ():
        if "/" in name or "\0" in name or not fnmatchcase(name, _SHARD):
            raise InputError(f"{folder / MERGE}: {_foreign(name)}; {_UNDO}")
    if merge and merge.into in merge.replaced:
        raise InputError(f"{folder / MERGE}: {merge.into} cannot replace itself; {_UNDO}")
    return merge


def _replaced(folder: Path, merge: _Merge, whole: list[Path], deletions: list[Path]) -> set[str]:
    """Return the names of the shards that a merge has replaced.

    As soon as the merged shard has its name, the shards that it replaces no longer count, even if a
    kill left some of them behind. Until then they all count, and the merge does not.

    Raises:
      InputError: the merged shard lacks traces of the others that were not deleted.
    """
    into = folder / merge.into
    if into not in whole:
        return set()
    shards.check(into)
    kept = index.concatenate([index.read(into), shards.deleted(deletions)])
    for path in whole:
        if path.name in merge.replaced and not index.among(index.read(path), kept).all():
            raise InputError(
                f"{folder / MERGE}: {path.name} has traces that {merge.into} lacks; {_UNDO}"
            )
    return merge.replaced


def _read(path: Path, kind: Any, advice: str) -> Any:
    """Read a JSON file as a value of the type `kind`; return None if there is no such file."""
    try:
        # If it is no file, such as a pipe, whose reading never ends, `paths` tells so.
        return msgspec.json.decode(path.read_bytes(), type=kind) if path.is_file() else None
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is damaged: {one_line(str(error))}; {advice}") from None


def _foreign(name: str) -> str:
    return f"names {one_line(name, 80)!r}, which is no file of this store"
