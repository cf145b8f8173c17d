"""Selection: which traces a spec selects, and in what order."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING, Any

from tunix_rt_nb import tasks
from tunix_rt_nb.common import InputError, filter_condition, filters, one_line, sql, unknown
from tunix_rt_nb.dataset.condition import check_condition
from tunix_rt_nb.dataset.evalset import EvalItem
from tunix_rt_nb.dataset.spec import DatasetSpec

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_PATIENCE = 600.0  # seconds that a condition may take; millions of traces take a minute or two
# Draw by a hash, because DuckDB's own samples would change with the number of threads.
_BY_CHANCE = {"sha256($seed || ':' || id)": "ASC", "id": "ASC"}
_NEWEST = {"created_at::TIMESTAMP": "DESC", "id": "ASC"}
_ORDER = {
    "latest": _NEWEST,
    "custom": _NEWEST,
    "random": _BY_CHANCE,
    "stratified": _BY_CHANCE,
    "quality": {"value": "DESC", "id": "ASC"},
}


def select(
    connection: "DuckDBPyConnection", spec: DatasetSpec, items: Sequence[EvalItem] = ()
) -> tuple[int, int]:
    """Select traces, in order, into a temporary table `selected`; see `select.sql` for its columns.

    Args:
      connection: a connection from `TraceStore.connect`.
      spec: says which traces to select, and in what order.
      items: the items of the eval sets. If an item has the same prompt as a row, the column
        `eval_item` of the row names the item.

    Returns:
      The number of traces that match the filters, and the number that are selected.

    Raises:
      InputError: a filter or condition is wrong, or there are too few traces for a quota.
    """
    match(connection, spec, items)
    chosen, parameters = _chosen(spec)
    order = ", ".join(f"{by} {way}" for by, way in _ORDER[spec.selection_strategy].items())
    if spec.selection_strategy == "stratified":
        chosen = sql("strata").format(order=order)
        found = dict(
            connection.execute("SELECT value, count(*) FROM matching GROUP BY 1").fetchall()
        )
        wanted = quotas(spec, found)
        parameters |= {"strata": list(wanted), "quotas": list(wanted.values())}
    query = sql("select").format(order=order, chosen=chosen)
    connection.execute(query, {**parameters, "limit": spec.limit})
    [counts] = connection.execute(
        "SELECT (SELECT count(*) FROM matching), (SELECT count(*) FROM selected)"
    ).fetchall()
    return counts


def placed(spec: DatasetSpec) -> tuple[str, dict[str, Any]]:
    """Build a query for the traces in `matching` that may be selected, each with its `place`.

    A place is a text of bytes. Places sort as the strategy orders the traces, so that an engine
    which has only some of the traces at a time can still order all of them.

    Returns:
      query: the SQL, with parameters written as `$name`.
      parameters: parameter name -> the value to bind.
    """
    chosen, parameters = _chosen(spec)
    order = _ORDER[spec.selection_strategy].items()
    key = ", ".join(f"{by}, '{way} NULLS LAST'" for by, way in order)
    return f"SELECT *, create_sort_key({key}) AS place FROM {chosen}", parameters


def _chosen(spec: DatasetSpec) -> tuple[str, dict[str, Any]]:
    """Return the rows of `matching` that may be selected, as SQL, and the parameters to bind."""
    if _ORDER[spec.selection_strategy] == _BY_CHANCE:
        return "matching", {"seed": str(spec.seed or 0)}
    if spec.selection_strategy == "quality":
        floor = float("-inf" if spec.quality_floor is None else spec.quality_floor)
        return "(FROM matching WHERE value >= $floor)", {"floor": floor}
    return "matching", {}


def match(
    connection: "DuckDBPyConnection", spec: DatasetSpec, items: Sequence[EvalItem] = ()
) -> None:
    """Put the traces that match the filters into a temporary table `matching`.

    It holds what can be told from one trace alone; see `matching.sql` for its columns. The
    arguments and errors are those of `select`.
    """
    where, parameters = filter_condition(spec.filters)
    if spec.condition is not None:
        # Put it on separate lines, because it may end with a comment.
        where += f" AND (\n{check_condition(spec.condition, connection)}\n)"
    value = "NULL"
    if spec.selection_strategy == "quality":
        value = f"TRY_CAST({filters.field(spec.quality_by, parameters)} AS DOUBLE)"
    elif spec.stratify_by is not None:
        value = f"coalesce({filters.text(spec.stratify_by, parameters)}, 'none')"
    parameters["by_words"] = spec.near_duplicates is not None or bool(items)
    parameters["not_by_words"] = sorted(set(tasks.TASKS) - {item.task for item in items})
    parameters |= {
        "eval_fraction": spec.eval_fraction,
        "eval_items": [item.name for item in items],
        "eval_prompts": [item.prompt for item in items],
    }
    query = sql("matching").format(where=where, value=value, prompt_key=sql("prompt_key"))
    if spec.condition is None:
        connection.execute(query, parameters)
        return
    with _limited(connection):
        connection.execute(query, parameters)


@contextmanager
def _limited(connection: "DuckDBPyConnection") -> Iterator[None]:
    """Run a user's condition in a `with` block: stop it in time, name it in the error."""
    import duckdb

    timer = Timer(_PATIENCE, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    except duckdb.InterruptException:
        raise InputError(
            f"condition: took over {_PATIENCE / 60:.0f} minutes, simplify it or add filters"
        ) from None
    except duckdb.Error as error:
        raise InputError(f"condition: {one_line(str(error))}") from error
    finally:
        timer.cancel()


def quotas(spec: DatasetSpec, found: Mapping[str, int]) -> dict[str, int]:
    """Compute how many traces to take of each value of the field `stratify_by`.

    Args:
      spec: has the quotas, the proportions or the limit.
      found: value -> how many traces have it.

    Returns:
      value -> how many traces to take.

    Raises:
      InputError: a quota asks for more traces than there are, or no trace has a named value.

    Example:
      >>> even = DatasetSpec.of(dataset_name="d", selection_strategy="stratified",
      ...                       stratify_by="task", limit=10)
      >>> quotas(even, {"a": 2, "b": 50, "c": 60})
      {'a': 2, 'b': 4, 'c': 4}
    """
    for value, n in (spec.quotas or dict.fromkeys(spec.proportions or {}, 1)).items():
        if value not in found:
            raise unknown(f"quotas: value of {spec.stratify_by}", value, sorted(found))
        if n > found[value]:
            raise InputError(
                f"quotas: {value}: is {n}, but only {found[value]} traces match the filters"
            )
    if spec.quotas:
        return spec.quotas
    if spec.proportions:
        return _in_proportion(spec.proportions, found, spec.limit)
    return _evenly(found, spec.limit or 0)


def _in_proportion(
    shares: Mapping[str, float], found: Mapping[str, int], limit: int | None
) -> dict[str, int]:
    """Compute how many traces to take of each value of a field: as many as the shares allow.

    Return value -> number of traces.

    Args:
      shares: value -> its share; the shares add up to 1.
      found: value -> how many traces have it.
      limit: the most traces in all; None for no limit.
    """
    # Find the largest total and round each count down. Then give the rest of the total to the
    # values that lost the most by rounding.
    total = min(int(found[value] / share + 1e-9) for value, share in shares.items())
    total = min(total, limit or total)
    taken = {value: int(share * total + 1e-9) for value, share in shares.items()}
    parts = sorted(shares, key=lambda value: (taken[value] - shares[value] * total, value))
    for value in parts[: total - sum(taken.values())]:
        taken[value] += 1
    return taken


def _evenly(found: Mapping[str, int], limit: int) -> dict[str, int]:
    """Share `limit` traces evenly among the values of a field.

    A value with too few traces gives all of them; the other values share the rest. Return how many
    to take for each value.

    Args:
      found: value -> how many traces have it.
      limit: the most traces in all.
    """
    taken: dict[str, int] = {}
    for k, value in enumerate(sorted(found, key=lambda value: (found[value], value))):
        left = limit - sum(taken.values())
        taken[value] = min(found[value], left // (len(found) - k))
    return taken
