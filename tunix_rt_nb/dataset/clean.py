"""Cleaning: which traces stay out of a dataset, and what each of them collided with.

There are three sieves, in this order: the same prompt, nearly the same prompt, a prompt of an eval
set. Each trace that is left out is listed with the reason and with what it collided with.

Prompts of a known task are alike on purpose, and differ only in a number or a card: `tasks` tells
which of them state the same problem. All other prompts are compared by their words.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from tunix_rt_nb import tasks
from tunix_rt_nb.dataset.evalset import EvalItem
from tunix_rt_nb.dataset.near import near_duplicates, ngrams, words

REASONS = ("duplicate_prompt", "near_duplicate", "in_eval_set")

_NGRAM = 8  # words
_BOILERPLATE = 10  # prompts of a dataset that may share an n-gram; in more, it says nothing

Reject = dict[str, Any]
"""A trace left out: `{"reason", "of"}`, and `similarity` or `ngram`, if these decided."""


def rejects(
    rows: Sequence[Mapping[str, Any]], near: float | None = None, items: Sequence[EvalItem] = ()
) -> list[Reject]:
    """Find the selected rows that stay out of the dataset, and the reasons, in order of the rows.

    Each is a `Reject` after the `id` of its row.

    Args:
      rows: as `selection.select` selects them, with `id`, `prompt`, `task`, `first_id` (the first
        trace with this prompt) and `eval_item` (the item with this prompt, or None).
      near: prompts of this similarity or more are near-duplicates; None keeps all of them.
      items: the items of the eval sets.
    """
    # Each sieve gets only the rows that the sieves before it have left.
    same = {row["id"]: row["first_id"] for row in rows if row["first_id"] != row["id"]}
    found = {id: {"reason": "duplicate_prompt", "of": first} for id, first in same.items()}
    if near is not None:
        left = _left(rows, found)
        prompts = {row["id"]: row["prompt"] for row in left if row["task"] not in tasks.TASKS}
        found |= near_duplicates(prompts, near)
    if items:
        found |= in_eval_sets(_left(rows, found), items)
    return [{"id": row["id"], **found[row["id"]]} for row in rows if row["id"] in found]


def _left(
    rows: Sequence[Mapping[str, Any]], found: Mapping[str, Reject]
) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["id"] not in found]


def in_eval_sets(rows: Sequence[Mapping[str, Any]], items: Sequence[EvalItem]) -> dict[str, Reject]:
    """Find the rows that give an eval set away: by a prompt, a problem, or eight words of it.

    Compare a prompt of a known task by its problem, and any other by its 8-grams of words.

    Args:
      rows: as in `rejects`.
      items: the items of the eval sets.
    """
    problems = {
        (item.task, problem): item.name
        for item in reversed(items)
        if item.task and (problem := _problem(item.task, item.prompt)) is not None
    }
    asked = {task for task, _ in problems}
    found: dict[str, Reject] = {}
    prompts: dict[str, str] = {}
    for row in rows:
        name = row["eval_item"]
        if name is None and row["task"] in asked:
            name = problems.get((row["task"], _problem(row["task"], row["prompt"])))
        if name is not None:
            found[row["id"]] = {"reason": "in_eval_set", "of": name}
        elif row["task"] not in tasks.TASKS:
            prompts[row["id"]] = row["prompt"]
    return found | _sharing(prompts, items)


def _problem(task: str, prompt: str) -> Hashable | None:
    try:
        return tasks.get(task).problem(prompt)
    except ValueError:
        return None


def _sharing(prompts: Mapping[str, str], items: Sequence[EvalItem]) -> dict[str, Reject]:
    """Find the prompts that share an 8-gram with an item, unless the 8-gram is boilerplate.

    An 8-gram in more than 10 prompts is boilerplate (T. Brown et al., Language Models are Few-Shot
    Learners, 2020, appendix C). Count it only in the prompts that are left, and repeat until no
    more prompts leave, so that the counts are those of the finished dataset.
    """
    names = {gram: i.name for i in reversed(items) for gram in ngrams(words(i.prompt), _NGRAM)}
    shared: dict[str, list[tuple[str, ...]]] = {}
    for id, prompt in prompts.items():
        found = words(prompt)
        if not names.keys().isdisjoint(ngrams(found, _NGRAM)):
            shared[id] = [gram for gram in ngrams(found, _NGRAM) if gram in names]
    # Each round removes the prompts with a telling 8-gram. That lowers the counts, so an 8-gram
    # that was boilerplate may be telling in the next round.
    counts = Counter(gram for grams in shared.values() for gram in set(grams))
    rejected: dict[str, Reject] = {}
    while hits := {i: gram for i, grams in shared.items() if (gram := _telling(grams, counts))}:
        for id, gram in hits.items():
            counts.subtract(set(shared.pop(id)))
            rejected[id] = {"reason": "in_eval_set", "of": names[gram], "ngram": " ".join(gram)}
    return rejected


def _telling(
    grams: Sequence[tuple[str, ...]], counts: Mapping[tuple[str, ...], int]
) -> tuple[str, ...] | None:
    """Return the first n-gram that is not boilerplate, or None. A whole short prompt never is."""
    return next((g for g in grams if len(g) < _NGRAM or counts[g] <= _BOILERPLATE), None)
