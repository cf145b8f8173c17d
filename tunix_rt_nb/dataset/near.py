"""Prompts that are nearly the same, and the words and numbers by which prompts are compared.

Words are in lower case and without the punctuation around them. Signs are kept, because in
`2 + 2 = 4` they carry the meaning.

Word problems are often made from a template, and differ only in their numbers. Prompts with other
numbers, or with another answer, are different problems, however alike their words are.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
from rensa import RMinHash

_PUNCTUATION = ".,;:!?…\"'“”‘’()[]{}"
# In w15 and x_1 the digits belong to a word. Everything after the first digits is optional, so the
# regex never backtracks far, and takes linear time in the text.
_NUMBER = re.compile(r"(?<!\w)\d+(?:[,_'’]\d{3}(?!\d))*(?:\.\d+)?")
_SHINGLE = 3  # words; in a prompt of 30 words, one changed word leaves a similarity of 0.81
_HASHES = 120  # in a MinHash; this number has many divisors, so bands of many widths fill it
_RECALL = 0.99  # the least share of pairs at the threshold that have a band in common
_BATCH = 1000  # prompts whose shingles are in memory at a time
_MOST = 16  # prompts kept in a bucket, and prompts that one is compared with; this bounds the work


def words(text: str) -> list[str]:
    """Split a text into words in lower case. Signs are words; punctuation around words is dropped.

    Example:
      >>> words("What is 2 + 2, please?")
      ['what', 'is', '2', '+', '2', 'please']
    """
    found = unicodedata.normalize("NFC", text).lower().split()
    return [word.strip(_PUNCTUATION) or word for word in found]


def numbers(text: str) -> tuple[str, ...]:
    """Return the numbers in a text, in order, each in its plain form.

    Number words do not count, nor do digits inside a word, as in `w15`.

    Example:
      >>> numbers("Ann has 1,000 apples, 05 pears and 2.50 dollars.")
      ('1000', '5', '2.5')
    """
    return tuple(map(_plain, _NUMBER.finditer(text)))


def _plain(number: re.Match[str]) -> str:
    whole, _, part = number[0].partition(".")
    whole, part = re.sub(r"\D", "", whole).lstrip("0") or "0", part.rstrip("0")
    return f"{whole}.{part}" if part else whole


def ngrams(found: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    """Return the n-grams of a list of words; if it has fewer than `n` words, return it as one gram.

    Args:
      found: the words.
      n: the number of words in an n-gram.

    Example:
      >>> list(ngrams(["a", "b", "c"], 2)), list(ngrams(["a"], 2))
      ([('a', 'b'), ('b', 'c')], [('a',)])
    """
    if len(found) < n:
        return iter([tuple(found)])
    return zip(*(found[k:] for k in range(n)), strict=False)


def shingles(prompt: str) -> list[str]:
    """Return the word 3-grams of a prompt, by which near-duplicates are compared."""
    return [" ".join(gram) for gram in ngrams(words(prompt), _SHINGLE)]


def similarity(a: Set[str], b: Set[str]) -> float:
    """Compute the Jaccard similarity of two sets that are not empty.

    Example:
      >>> similarity({"a b c", "b c d"}, {"a b c", "b c e"})
      0.3333333333333333
    """
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)


def near_duplicates(
    prompts: Mapping[str, str], threshold: float, answers: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """Find the prompts that are nearly the same as an earlier prompt that is kept.

    Two prompts are near-duplicates if they have the same numbers in the same order, answers with
    the same words, and shingles (word 3-grams) whose Jaccard similarity is at least `threshold`.

    MinHash (A. Broder, On the resemblance and containment of documents, 1997) with banded
    locality-sensitive hashing (J. Leskovec, A. Rajaraman and J. Ullman, Mining of Massive Datasets,
    chapter 3) finds the candidates. The exact Jaccard similarity of their shingles decides. So
    every prompt found is a near-duplicate. At least 99 % of all near-duplicates are found. With a
    threshold of 0.8, 99.8 % of the pairs with similarity 0.8 are found (see `band_width`), and more
    of the pairs with a higher similarity.

    A prompt is compared with at most 16 others. More near-duplicates can be missed if thousands of
    prompts share a long template, the numbers and the answer, and stay just below the threshold.

    Args:
      prompts: id -> prompt, in order; the first of several near-duplicates is kept.
      threshold: the least similarity of near-duplicates.
      answers: id -> answer; None if all prompts have the same answer.

    Returns:
      For the id of each near-duplicate: the `reason`, the id of the kept prompt (`of`), and their
      `similarity`.

    Example:
      >>> near_duplicates({"a": "one two three 4", "b": "One, two, three, 4!"}, 0.8)
      {'b': {'reason': 'near_duplicate', 'of': 'a', 'similarity': 1.0}}
      >>> near_duplicates({"a": "one two three 4", "b": "One, two, three, 5!"}, 0.1)
      {}
    """
    # Only prompts with the same numbers and the same answer can be near-duplicates.
    problems = {id: problem(text, (answers or {}).get(id, "")) for id, text in prompts.items()}
    alike = Counter(problems.values())
    ids = [id for id, problem in problems.items() if alike[problem] > 1]
    texts = [prompts[id] for id in ids]
    # Prompts with equal hashes in some band share a bucket. Only such prompts are compared.
    buckets = _numbered(keys(texts, [problems[id] for id in ids], threshold))
    shingled = lru_cache(maxsize=4096)(lambda i: frozenset(shingles(texts[i])))
    # Go through the prompts in order, and compare each one only with prompts that are kept. So a
    # prompt is never left out because of one that is itself left out.
    kept: dict[int, list[int]] = {}  # bucket -> kept prompts
    found: dict[str, dict[str, Any]] = {}
    for i in np.flatnonzero((buckets >= 0).any(axis=1)).tolist():
        own = [bucket for bucket in buckets[i].tolist() if bucket >= 0]
        # The candidates share a bucket with it. Take those that share the most buckets, and compute
        # their exact similarity. If several are the most similar, the first in order counts.
        met = Counter(j for bucket in own for j in kept.get(bucket, ()))
        closest = [(similarity(shingled(i), shingled(j)), -j) for j, _ in met.most_common(_MOST)]
        best, first = max(closest, default=(0.0, 0))
        if best >= threshold:
            near = round(best, 4)
            found[ids[i]] = {"reason": "near_duplicate", "of": ids[-first], "similarity": near}
            continue
        # The prompt is kept. Later prompts are compared with it, unless its buckets are full.
        for bucket in own:
            if len(members := kept.setdefault(bucket, [])) < _MOST:
                members.append(i)
    return found


def problem(prompt: str, answer: str) -> int:
    """Hash the numbers and the answer, which tell apart two problems in the same words: 64 bits."""
    told = numbers(prompt), words(_NUMBER.sub(_plain, answer))
    return int.from_bytes(blake2b(repr(told).encode(), digest_size=8).digest())


def keys(texts: Sequence[str], problems: Sequence[int], threshold: float) -> np.ndarray:
    """Compute the keys of prompts by MinHash. Only prompts that share a key have to be compared.

    The hashes of a prompt are divided into bands. Two prompts share the key of a band if all their
    hashes in this band, and their problems, are equal.

    Args:
      texts: the prompts.
      problems: what `problem` returns for each prompt. Two prompts with different problems share
        no key.
      threshold: the least similarity of near-duplicates.

    Returns:
      uint64[prompts, bands].
    """
    width = band_width(threshold)
    bands = _HASHES // width
    # Mix the hashes of each band into one key of 64 bits. Each band adds a different offset, so
    # that equal hashes in two different bands do not make equal keys.
    odd = [pow(0x9E3779B97F4A7C15, k + 1, 1 << 64) for k in range(width + bands)]
    factors, offsets = np.split(np.array(odd, np.uint64), [width])
    found = np.empty((len(texts), bands), np.uint64)
    for start in range(0, len(texts), _BATCH):
        batch = [shingles(text) for text in texts[start : start + _BATCH]]
        hashes = np.array(RMinHash.digests_from_token_sets(batch, _HASHES, 0), np.uint64)
        found[start : start + _BATCH] = hashes.reshape(-1, bands, width) @ factors + offsets
    return found + np.array(problems, np.uint64)[:, None]


def _numbered(keys: np.ndarray) -> np.ndarray:
    """Give each different key a number, and -1 to a key that only one prompt has.

    Args:
      keys: uint64[prompts, bands].

    Returns:
      int64[prompts, bands]: for each key the number of its bucket, which prompts share.
    """
    _, bucket, size = np.unique(keys, return_inverse=True, return_counts=True)
    return np.where(size[bucket] > 1, bucket, -1).reshape(keys.shape)


def band_width(threshold: float) -> int:
    """Return the most hashes per band with which 99 % of near-duplicates are still found.

    Two prompts become candidates if all hashes of some band are equal. Wider bands give fewer false
    candidates, but at least 99 % of the pairs at the threshold must become candidates.

    Example:
      >>> band_width(0.8), round(1 - (1 - 0.8**6) ** (120 // 6), 4)
      (6, 0.9977)
    """
    widths = [width for width in range(1, _HASHES + 1) if _HASHES % width == 0]
    return max(w for w in widths if 1 - (1 - threshold**w) ** (_HASHES // w) >= _RECALL)
