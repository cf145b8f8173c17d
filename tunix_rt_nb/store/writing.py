"""What only one process at a time may do in a trace store: add files, and merge shards into one."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.store import index, listing, locks, shards
from tunix_rt_nb.store.draft import ShardDraft, draft


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the folder's lock for writers within a `with` block; only one process can hold it.

    Wait up to 60 seconds for it. Once it is held, remove the files that killed writers left behind.

    Raises:
      InputError: another writer holds the lock for too long, the folder cannot be written to, or
        a file in it is damaged that names other files.
    """
    with locks.writing(folder):
        _clear(folder)
        yield
        # The new files are in the store already. If this fails, the next writer does it.
        with suppress(InputError):
            _hold(folder)


def compact(folder: Path) -> int:
    """Merge all shards into one; drop the lines of deleted and repeated traces.

    Call this only inside a `with writing(folder)` block.

    Returns:
      The number of dropped lines.
    """
    # Read which traces the lines really hold. A damaged shard ends the merge here.
    there = listing.complete(folder)
    old = there.shards
    for shard in old:
        index.check(shard)
    tables = [index.scan(shard) for shard in old]
    for shard in old:
        shards.check(shard)
    # Keep the first line of each trace, unless the trace was deleted.
    whole = index.concatenate(tables)
    keep = ~(index.repeated(whole) | index.among(whole, shards.deleted(there.deletions)))
    if keep.all() and len(old) < 2:
        return 0
    # Copy these lines into a draft. So far the store is as it was: a kill loses only the draft.
    with draft(folder) as new:
        for shard, table in zip(old, tables, strict=True):
            by_hand = not index.path_of(shard).exists()
            new.copy(shard, table, keep[: len(table)], rewrite=by_hand)
            keep = keep[len(table) :]
        _replace(folder, old, new)
    return len(whole) - len(new.table())


def _replace(folder: Path, old: list[Path], new: ShardDraft) -> None:
    """Replace the old shards by a new one: all of them or none, even if this process is killed."""
    # Flush first, because readers cannot come in while the folder is locked below.
    new.settle()
    # An old shard with the same content has the same name as the new one, so it stays.
    gone = {path.name for path in old if path.name != new.name()}
    with locks.merging(folder):
        # Note which shards will be replaced. The note has no effect until the new shard is there.
        files.write_json(folder / listing.MERGE, {"into": new.name(), "replaced": sorted(gone)})
        # This rename is the turning point: from here on only the new shard counts.
        new.publish(folder)
        # Remove the old shards and the note. After a kill, the next writer does this.
        _finish(folder, gone)


def _finish(folder: Path, replaced: set[str]) -> None:
    """Remove the shards that a merge has replaced, then the note that names them."""
    files.remove(path for path in listing.paths(folder) if path.name in replaced)
    _hold(folder, replaced)
    files.remove([folder / listing.MERGE])


def _clear(folder: Path) -> None:
    """Finish or undo an interrupted merge; remove the files that killed writers left behind.

    A merge is finished if its new shard has its final name, else undone.
    """
    # If `.merge.json` is damaged, or a name in it is not that of a shard that was merged, this
    # raises before anything is removed.
    there = listing.found(folder)
    if there.merging:
        _finish(folder, there.replaced)
    # Remove temporary files whose writer was killed, then indexes whose shard never got its name.
    files.sweep(folder)
    indexed = {index.path_of(shard) for shard in (*there.shards, *there.missing)}
    files.remove(path for path in folder.glob(".traces-*.index") if path not in indexed)
    _hold(folder)


def _hold(folder: Path, gone: Iterable[str] = ()) -> None:
    """Bring the record of the files up to date: add those that are there.

    Args:
      folder: the folder.
      gone: the names of files to leave out, because a merge has replaced them.
    """
    held = set(listing.record(folder) or ())
    there = {path.name for path in listing.paths(folder) if shards.HASHED.fullmatch(path.name)}
    names = (held | there) - set(gone)
    if names != held:
        files.write_json(folder / listing.HELD, sorted(names))
