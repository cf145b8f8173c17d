"""Prompts that are nearly the same, and the words that tell.

Words are in lower case and without the punctuation around them, but with all signs: in
`2 + 2 = 4` they carry the meaning.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import lru_cache
from typing import Any

import numpy as np
from rensa import RMinHash

_PUNCTUATION = ".,;:!?…\"'“”‘’()[]{}"
_SHINGLE = 3  # words; in a prompt of 30 words a changed one leaves a similarity of 0.81
_HASHES = 120  # of a MinHash: a number with many divisors, so that bands of any width fill it
_RECALL = 0.99  # the least share of pairs at the threshold that have a band in common
_BATCH = 1000  # prompts whose shingles are held at a time
_MOST = 16  # prompts kept in a bucket, and prompts to compare one with: what bounds the work


def words(text: str) -> list[str]:
    """The words of a text in lower case; signs are words, the punctuation around words is none.

    Example:
      >>> words("What is 2 + 2, please?")
      ['what', 'is', '2', '+', '2', 'please']
    """
    found = unicodedata.normalize("NFC", text).lower().split()
    return [word.strip(_PUNCTUATION) or word for word in found]


def ngrams(found: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    """Every `n` words in a row; fewer words count as a whole.

    Example:
      >>> list(ngrams(["a", "b", "c"], 2)), list(ngrams(["a"], 2))
      ([('a', 'b'), ('b', 'c')], [('a',)])
    """
    if len(found) < n:
        return iter([tuple(found)])
    return zip(*(found[k:] for k in range(n)), strict=False)


def shingles(prompt: str) -> list[str]:
    """What near-duplicates are compared by: every three words in a row."""
    return [" ".join(gram) for gram in ngrams(words(prompt), _SHINGLE)]


def similarity(a: Set[str], b: Set[str]) -> float:
    """The Jaccard similarity of two sets that are not empty.

    Example:
      >>> similarity({"a b c", "b c d"}, {"a b c", "b c e"})
      0.3333333333333333
    """
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)


def near_duplicates(prompts: Mapping[str, str], threshold: float) -> dict[str, dict[str, Any]]:
    """The prompts that are nearly the same as an earlier one that is kept.

    MinHash (A. Broder, On the resemblance and containment of documents, 1997) with banded
    locality-sensitive hashing (J. Leskovec, A. Rajaraman and J. Ullman, Mining of Massive Datasets,
    chapter 3) finds the candidates; the exact Jaccard similarity of their shingles decides. So all
    that are found are right, and of all there are, 99 % or more are found: 99.8 % of the pairs at
    0.8, by count, and soon all above it. A prompt is compared with 16 others at most: where
    thousands share a long template and stay just below the threshold, more can be missed.

    Args:
      prompts: id -> prompt, in the order in which they are to be kept.
      threshold: the least similarity of near-duplicates.

    Example:
      >>> near_duplicates({"a": "one two three four", "b": "One, two, three, four!"}, 0.8)
      {'b': {'id': 'b', 'reason': 'near_duplicate', 'of': 'a', 'similarity': 1.0}}
    """
    ids, texts = list(prompts), list(prompts.values())
    buckets = _buckets(texts, threshold)
    shingled = lru_cache(maxsize=4096)(lambda i: frozenset(shingles(texts[i])))
    kept: dict[int, list[int]] = {}
    found: dict[str, dict[str, Any]] = {}
    for i in np.flatnonzero((buckets >= 0).any(axis=1)).tolist():
        own = [bucket for bucket in buckets[i].tolist() if bucket >= 0]
        met = Counter(j for bucket in own for j in kept.get(bucket, ()))
        closest = [(similarity(shingled(i), shingled(j)), -j) for j, _ in met.most_common(_MOST)]
        best, first = max(closest, default=(0.0, 0))
        if best >= threshold:
            reject = {"reason": "near_duplicate", "of": ids[-first], "similarity": round(best, 4)}
            found[ids[i]] = {"id": ids[i], **reject}
            continue
        for bucket in own:
            if len(members := kept.setdefault(bucket, [])) < _MOST:
                members.append(i)
    return found


def _buckets(texts: Sequence[str], threshold: float) -> np.ndarray:
    """The bucket of each prompt in each band: int64[prompts, bands], -1 where it is alone."""
    width = band_width(threshold)
    bands = _HASHES // width
    odd = [pow(0x9E3779B97F4A7C15, k + 1, 1 << 64) for k in range(width + bands)]
    factors, offsets = np.split(np.array(odd, np.uint64), [width])
    keys = np.empty((len(texts), bands), np.uint64)
    for start in range(0, len(texts), _BATCH):
        batch = [shingles(text) for text in texts[start : start + _BATCH]]
        hashes = np.array(RMinHash.digests_from_token_sets(batch, _HASHES, 0), np.uint64)
        keys[start : start + _BATCH] = hashes.reshape(-1, bands, width) @ factors + offsets
    _, bucket, size = np.unique(keys, return_inverse=True, return_counts=True)
    return np.where(size[bucket] > 1, bucket, -1).reshape(keys.shape)


def band_width(threshold: float) -> int:
    """How many hashes make a band: the most with which pairs at the threshold still meet.

    Example:
      >>> band_width(0.8), round(1 - (1 - 0.8**6) ** (120 // 6), 4)
      (6, 0.9977)
    """
    widths = [width for width in range(1, _HASHES + 1) if _HASHES % width == 0]
    return max(w for w in widths if 1 - (1 - threshold**w) ** (_HASHES // w) >= _RECALL)
