"""The index of a shard: which traces it holds and where, so that nobody has to read the shard.

Each trace has one row of the dtype `ROW`: the two halves of its 128-bit id (`hi` and `lo`), its
time in microseconds since 1970 (`at`), and the byte where its line begins (`place`). A table is a
NumPy array of such rows. A key is an id as 16 bytes. An index is written before its shard. If it is
missing, because the shard was put there by hand, the shard itself is read instead.
"""

from array import array
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np

from tunix_rt_nb.common import InputError, files, strict_json
from tunix_rt_nb.trace import id_of

ROW = np.dtype([("hi", "<u8"), ("lo", "<u8"), ("at", "<i8"), ("place", "<i8")])
_FIT = np.dtype([("bytes", "<u8"), ("rows", "<u8")])  # header of an index: the size of its shard
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Head(msgspec.Struct):
    id: str
    created_at: str


_READ = msgspec.json.Decoder(_Head).decode


def rows(keys: bytes, at: Iterable[int] = (0,), places: Iterable[int] = (0,)) -> np.ndarray:
    """Build index rows `(hi, lo, at, place)`, one for each trace: an array of the dtype `ROW`.

    Args:
      keys: the ids of the traces, 16 bytes each, concatenated.
      at: the time of each trace, in microseconds since 1970.
      places: the byte at which each trace's line begins.

    Example:
      >>> rows(bytes(15) + b"\\x07", [1], [5]).tolist()
      [(0, 7, 1, 5)]
    """
    halves = np.frombuffer(keys, ">u8").reshape(-1, 2)
    table = np.empty(len(halves), ROW)
    table["hi"], table["lo"] = halves[:, 0], halves[:, 1]
    table["at"], table["place"] = at, places
    return table


def path_of(shard: Path) -> Path:
    """Return the path of a shard's index."""
    return shard.with_name(f".{shard.stem}.index")


def write(shard: Path, size: int, table: np.ndarray) -> None:
    """Write the index of a shard.

    Args:
      shard: the path of the shard.
      size: its size in bytes.
      table: the index rows of its traces, an array of the dtype `ROW`.
    """
    with files.atomic(path_of(shard)) as file:
        file.write(np.array([(size, len(table))], _FIT).tobytes() + table.tobytes())


def read(shard: Path) -> np.ndarray:
    """Return the index rows of a shard, in the order of its lines: an array of the dtype `ROW`.

    Read them from the index, or from the shard itself if it has no index.

    Raises:
      InputError: the index is damaged, or the size of the shard is not the one that the index
        records. If there is no index: a line of the shard is damaged.
    """
    check(shard)
    try:
        table = np.frombuffer(path_of(shard).read_bytes(), ROW, offset=_FIT.itemsize)
    except FileNotFoundError:
        return scan(shard)
    # Every line begins where the one before it ends.
    places = np.concatenate([[-1], table["place"], [shard.stat().st_size]])
    if len(table) and (places[1] or not (places[1:] > places[:-1]).all()):
        raise InputError(f"{path_of(shard)}: is damaged, remove it")
    return table


def check(shard: Path) -> None:
    """Compare the size of a shard with the size that its index records, if it has an index.

    Raises:
      InputError: the shard was cut off or altered, or the index is damaged. If a line of the shard
        is broken, the message names it.
    """
    try:
        with path_of(shard).open("rb") as file:
            fit = np.fromfile(file, _FIT, count=1)
            count = (file.seek(0, 2) - _FIT.itemsize) / ROW.itemsize
    except FileNotFoundError:
        return
    if not len(fit) or fit["rows"][0] != count:
        raise InputError(f"{path_of(shard)}: is damaged, remove it")
    if fit["bytes"][0] != shard.stat().st_size:
        # If a line is broken, `scan` raises and names it. Else whole lines are missing or added.
        found = len(scan(shard))
        raise InputError(
            f"{shard}:{found + 1}: was cut off or altered: {fit['rows'][0]} traces were written,"
            f" {found} are left; if this is intended, remove {path_of(shard).name}"
        )


def scan(shard: Path) -> np.ndarray:
    """Build the index rows of a shard from its lines, without reading its index.

    Raises:
      InputError: the shard is damaged; the message names the line.
    """
    keys, times, places, place = bytearray(), array("q"), array("q"), 0
    with shard.open("rb") as file:
        for number, line in enumerate(files.lines(file, strict_json.MAX_LINE), 1):
            try:
                head = _READ(line)
                keys += key_of(head.id)
                times.append(micros(head.created_at))
            except (ValueError, RecursionError) as error:
                raise InputError(f"{shard}:{number}: {strict_json.why(error, line)}") from None
            places.append(place)
            place += len(line)
    return rows(bytes(keys), times, places)


def key_of(text: str) -> bytes:
    """Convert an id from text to 16 bytes; raise `ValueError` if it is not a UUID.

    Example:
      >>> key_of("00010203-0405-0607-0809-0a0b0c0d0e0f") == bytes(range(16))
      True
    """
    with suppress(ValueError):
        key = bytes.fromhex(text.replace("-", ""))
        if len(key) == 16 and id_of(key) == text:
            return key
    raise ValueError(f"id: {text[:80]!r} is not a UUID")


def micros(created_at: str) -> int:
    """Convert an ISO 8601 time to microseconds since 1970. A time without a zone is taken as UTC.

    Raises:
      ValueError: it is not an ISO 8601 time.
    """
    try:
        time = datetime.fromisoformat(created_at)
    except (ValueError, TypeError):
        raise ValueError(f"created_at: {str(created_at)[:80]!r} is not an ISO 8601 time") from None
    since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - EPOCH
    return since // timedelta(microseconds=1)


def among(table: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Tell for each row of a table whether the table `others` has its id too: bool[rows].

    Example:
      >>> table, other = rows(bytes(16) + bytes([1] * 16)), rows(bytes([1] * 16))
      >>> among(table, other).tolist()
      [False, True]
    """
    # Compare the first halves of the keys. Compare whole keys only if some of these are equal.
    found = np.isin(table["hi"], others["hi"])
    if found.any():
        there = set(keys(others))
        found[found] = [key in there for key in keys(table[found])]
    return found


def repeated(table: np.ndarray) -> np.ndarray:
    """Tell for each row of a table whether an earlier row has the same id: bool[rows].

    Example:
      >>> repeated(rows(bytes(32) + bytes([1] * 16))).tolist()
      [False, True, False]
    """
    # The sort is stable: among rows with equal keys, the first in the table stays first.
    found = np.zeros(len(table), bool)
    order = np.lexsort((table["lo"], table["hi"]))
    hi, lo = table["hi"][order], table["lo"][order]
    found[order[1:]] = (hi[1:] == hi[:-1]) & (lo[1:] == lo[:-1])
    return found


def newest(table: np.ndarray, limit: int | None = None) -> np.ndarray:
    """Return the row numbers of the newest traces, newest first; order equal times by id.

    Args:
      table: index rows, an array of the dtype `ROW`.
      limit: the most row numbers to return; None for all.

    Example:
      >>> newest(rows(bytes(range(48)), [1, 2, 2]), limit=2).tolist()
      [1, 2]
    """
    found = np.arange(len(table))
    if limit is not None and 0 < limit < len(table):  # sorting all takes a second per million rows
        # Find the time of the last row to return. Keep all newer rows. Among the rows with exactly
        # that time, keep those with the lowest ids.
        last = -np.partition(-table["at"], limit - 1)[limit - 1]
        newer, tied = np.flatnonzero(table["at"] > last), np.flatnonzero(table["at"] == last)
        highest = np.partition(table["hi"][tied], limit - len(newer) - 1)[limit - len(newer) - 1]
        found = np.concatenate([newer, tied[table["hi"][tied] <= highest]])
    hi, lo, at = table["hi"][found], table["lo"][found], table["at"][found]
    return found[np.lexsort((lo, hi, -at))][:limit]


def starting_with(table: np.ndarray, prefix: str) -> np.ndarray:
    """Return the numbers of the rows of a table whose id begins with the characters in `prefix`.

    Dashes and case do not matter.

    Raises:
      InputError: no id can begin with these characters.

    Example:
      >>> starting_with(rows(bytes(16) + bytes([1] * 16)), "0101").tolist()
      [1]
    """
    digits = prefix.replace("-", "").lower()
    if not digits or len(digits) > 32 or set(digits) - set("0123456789abcdef"):
        raise InputError(f"id: {prefix!r} is neither an id nor the beginning of one")
    # Compare with the lowest and the highest id that begin like this. Each half can be compared by
    # itself: a prefix of up to 16 digits leaves the low half free, and a longer one leaves only one
    # possible high half.
    first, last = (rows(bytes.fromhex(digits.ljust(32, end)))[0] for end in "0f")
    hi, lo = ((first[h] <= table[h]) & (table[h] <= last[h]) for h in ("hi", "lo"))
    return np.flatnonzero(hi & lo)


def places(table: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the numbers of the table's rows with the ids in `wanted`, in the order of `wanted`.

    Ids that the table does not have are skipped.

    Args:
      table: index rows, an array of the dtype `ROW`.
      wanted: an array of the same dtype; only the halves of its ids, `hi` and `lo`, are used.

    Example:
      >>> table = rows(bytes(16) + bytes([1] * 16))
      >>> places(table, table[::-1]).tolist()
      [1, 0]
    """
    if not len(table):
        return np.empty(0, np.int64)
    order = np.lexsort((table["lo"], table["hi"]))
    hi, lo = table["hi"][order], table["lo"][order]
    # Search by the first half. Then step on, for all keys at once, until the second half fits.
    found = np.searchsorted(hi, wanted["hi"])
    while True:
        found = np.minimum(found, len(table) - 1)
        passed = (hi[found] == wanted["hi"]) & (lo[found] < wanted["lo"])
        passed &= found < len(table) - 1
        if not passed.any():
            break
        found[passed] += 1  # the next row with the same first half
    there = (hi[found] == wanted["hi"]) & (lo[found] == wanted["lo"])
    return order[found[there]]


def keys(table: np.ndarray) -> list[bytes]:
    """Return the ids in the rows of a table, each as 16 bytes.

    Example:
      >>> keys(rows(bytes(range(16)))) == [bytes(range(16))]
      True
    """
    whole = np.stack([table["hi"], table["lo"]], axis=1).astype(">u8").tobytes()
    return [whole[k : k + 16] for k in range(0, len(whole), 16)]


def concatenate(tables: Iterable[np.ndarray]) -> np.ndarray:
    """Join the rows of all tables into one table; without tables, return an empty one."""
    return np.concatenate([np.empty(0, ROW), *tables])
