"""Cleaning: which traces stay out of a dataset, and which trace or eval item each one repeats.

A trace is left out for one of three reasons, checked in this order. Its prompt is the same as that
of another trace, is nearly the same, or is in an eval set. Each trace that is left out is listed
with the reason, and with the trace or eval item that it repeats.

A known task is one in `tasks.TASKS`. Its prompts are alike on purpose, and differ only in a number
or a playing card; the task's own code tells which of them state the same problem. All other prompts
are compared by their words and numbers.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence, Set
from typing import Any

from tunix_rt_nb import tasks
from tunix_rt_nb.dataset.evalset import EvalItem
from tunix_rt_nb.dataset.near import near_duplicates, ngrams, numbers, words

REASONS = ("duplicate_prompt", "near_duplicate", "in_eval_set")

_NGRAM = 8  # words
_BOILERPLATE = 10  # prompts of a dataset that may share an n-gram; one in more prompts is ignored

Gram = tuple[str, ...]
"""Words in a row, or numbers in a row."""

Reject = dict[str, Any]
"""Why a trace is left out: `reason`, `of` (what it repeats), maybe `similarity` or `ngram`."""


def rejects(
    rows: Sequence[Mapping[str, Any]], near: float | None = None, items: Sequence[EvalItem] = ()
) -> list[Reject]:
    """Find the selected rows that stay out of the dataset, and why, in the order of the rows.

    Args:
      rows: as `selection.select` selects them, with `id`, `prompt`, `answer`, `task`, `first_id`
        (the id of the first trace with this prompt, whatever its answer) and `eval_item` (the name
        of the eval item with this prompt, or None).
      near: prompts of this similarity or more, with the same numbers and the same answer, are
        near-duplicates; None keeps all of them.
      items: the items of the eval sets.

    Returns:
      A dict for each row that stays out: `id` of the row, `reason` (one of `REASONS`), and `of`
      (the id of the trace, or the name of the eval item, that it repeats). For a near-duplicate
      there is also the `similarity`; if only words are shared with an eval item, these words are in
      `ngram`.
    """
    # Each sieve gets only the rows that the sieves before it have left.
    same = {row["id"]: row["first_id"] for row in rows if row["first_id"] != row["id"]}
    found = {id: {"reason": "duplicate_prompt", "of": first} for id, first in same.items()}
    if near is not None:
        left = [row for row in _left(rows, found) if row["task"] not in tasks.TASKS]
        prompts, answers = ({row["id"]: row[name] for row in left} for name in ("prompt", "answer"))
        found |= near_duplicates(prompts, near, answers)
    if items:
        found |= in_eval_sets(_left(rows, found), items)
    return [{"id": row["id"], **found[row["id"]]} for row in rows if row["id"] in found]


def _left(
    rows: Sequence[Mapping[str, Any]], found: Mapping[str, Reject]
) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["id"] not in found]


def in_eval_sets(rows: Sequence[Mapping[str, Any]], items: Sequence[EvalItem]) -> dict[str, Reject]:
    """Find the rows that repeat the prompt, the problem or 8 consecutive words of an eval item.

    The same prompt always counts. A row of a task in `tasks.TASKS` also counts if its prompt poses
    the same problem in other words. A row of any other task also counts if its prompt shares 8
    consecutive words with an item and has the same numbers.

    Args:
      rows: rows as `rejects` takes them.
      items: the items of the eval sets.

    Returns:
      Row id -> `reason` and `of` (the name of the item). If only words are shared, these words are
      in `ngram`.
    """
    named = _named(rows, items)
    found = {id: {"reason": "in_eval_set", "of": name} for id, name in named.items()}
    return found | _sharing(_by_words(rows, named), items)


def suspects(rows: Sequence[Mapping[str, Any]], items: Sequence[EvalItem]) -> Set[str]:
    """Return the ids of the rows that matter to `in_eval_sets`; all others change nothing there.

    These rows repeat an eval item, or share 8 consecutive words with one. The arguments are those
    of `in_eval_sets`.
    """
    named = _named(rows, items)
    return named.keys() | _shared(_by_words(rows, named), items).keys()


def _named(rows: Sequence[Mapping[str, Any]], items: Sequence[EvalItem]) -> dict[str, str]:
    """Map the id of each row with the prompt or the problem of an eval item to the item's name."""
    problems = {
        (item.task, problem): item.name
        for item in reversed(items)
        if item.task and (problem := _problem(item.task, item.prompt)) is not None
    }
    asked = {task for task, _ in problems}
    found: dict[str, str] = {}
    for row in rows:
        name = row["eval_item"]
        if name is None and row["task"] in asked:
            name = problems.get((row["task"], _problem(row["task"], row["prompt"])))
        if name is not None:
            found[row["id"]] = name
    return found


def _by_words(rows: Sequence[Mapping[str, Any]], named: Mapping[str, str]) -> dict[str, str]:
    """Map ids to prompts: those that are compared by their words, without the rows in `named`."""
    return {
        row["id"]: row["prompt"]
        for row in rows
        if row["id"] not in named and row["task"] not in tasks.TASKS
    }


def _problem(task: str, prompt: str) -> Hashable | None:
    try:
        return tasks.get(task).problem(prompt)
    except ValueError:
        return None


def _sharing(prompts: Mapping[str, str], items: Sequence[EvalItem]) -> dict[str, Reject]:
    """Find the prompts that share an 8-gram of words with an eval item, and thereby leak the item.

    `_shared` decides by the numbers whether a shared 8-gram leaks an item. An 8-gram in more than
    10 prompts is boilerplate and does not count (T. Brown et al., Language Models are Few-Shot
    Learners, 2020, appendix C). The prompts that are found leave the dataset. This lowers the
    counts of their 8-grams, so search the remaining prompts again, until none is found.

    Args:
      prompts: id -> prompt.
      items: the items of the eval sets.

    Returns:
      The id of each prompt found -> `reason`, `of` (the item's name) and `ngram` (the 8-gram).
    """
    shared = _shared(prompts, items)
    # Each round removes the prompts with a telling 8-gram. That lowers the counts, so an 8-gram
    # that was boilerplate may be telling in the next round.
    counts = Counter(gram for names in shared.values() for gram in names)
    rejected: dict[str, Reject] = {}
    while hits := {i: gram for i, names in shared.items() if (gram := _telling(names, counts))}:
        for id, gram in hits.items():
            names = shared.pop(id)
            counts.subtract(names.keys())
            rejected[id] = {"reason": "in_eval_set", "of": names[gram], "ngram": " ".join(gram)}
    return rejected


def _shared(
    prompts: Mapping[str, str], items: Sequence[EvalItem]
) -> dict[str, dict[Gram, str | None]]:
    """Find the 8-grams of words that each prompt shares with eval items.

    A shared 8-gram leaks an item if the item's numbers stand in a row in the prompt, or if the
    prompt has no numbers. Otherwise the prompt is another problem from the same template.

    Args:
      prompts: id -> prompt.
      items: the items of the eval sets.

    Returns:
      id -> 8-gram -> the name of the first item that it leaks, or None if it leaks none. Prompts
      that share no 8-gram are left out.
    """
    # Numbers -> 8-gram -> the first item that has both. The key None stands for any numbers.
    names: dict[Gram | None, dict[Gram, str]] = {}
    for item in reversed(items):
        grams = list(ngrams(words(item.prompt), _NGRAM))
        for key in (numbers(item.prompt), None):
            names.setdefault(key, {}).update(dict.fromkeys(grams, item.name))
    lengths = {len(key) for key in names if key is not None}
    shared: dict[str, dict[Gram, str | None]] = {}
    for id, prompt in prompts.items():
        found = words(prompt)
        if not names[None].keys().isdisjoint(ngrams(found, _NGRAM)):
            grams = [gram for gram in ngrams(found, _NGRAM) if gram in names[None]]
            own = numbers(prompt)
            held = [names[key] for key in (names.keys() & _runs(own, lengths) if own else {None})]
            shared[id] = {g: min((n[g] for n in held if g in n), default=None) for g in grams}
    return shared


def _runs(own: Gram, lengths: Set[int]) -> Set[Gram]:
    """Return all tuples of consecutive numbers of a prompt that have one of these lengths.

    Args:
      own: the numbers of the prompt, in order.
      lengths: the lengths of the tuples.

    Example:
      >>> sorted(_runs(("3", "4", "5"), {0, 2}))
      [(), ('3', '4'), ('4', '5')]
    """
    return {own[k : k + n] for n in lengths for k in range(len(own) - n + 1)}


def _telling(names: Mapping[Gram, str | None], counts: Mapping[Gram, int]) -> Gram | None:
    """Return the first n-gram that leaks an item and is not boilerplate; None if there is none.

    An n-gram of fewer than 8 words is a whole prompt, and never boilerplate.

    Args:
      names: n-gram -> the name of the item that it leaks, or None.
      counts: n-gram -> the number of prompts that contain it.
    """
    own = (gram for gram, name in names.items() if name is not None)
    return next((g for g in own if len(g) < _NGRAM or counts[g] <= _BOILERPLATE), None)
