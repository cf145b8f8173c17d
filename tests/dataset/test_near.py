import random
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, strategies as st

from tunix_rt_nb.dataset.near import near_duplicates, numbers, shingles, similarity

WORDS = [f"w{k}" for k in range(5000)]


PROSE = st.lists(
    st.lists(st.sampled_from("abcd"), max_size=14).map(" ".join), max_size=12, unique=True
)


@pytest.mark.slow
@given(PROSE, st.sampled_from([0.5, 0.6, 0.8, 1.0]))
def test_a_near_duplicate_is_one_of_a_kept_prompt_by_exact_count(
    prompts: list[str], threshold: float
) -> None:
    found = near_duplicates({str(k): p for k, p in enumerate(prompts)}, threshold)
    for name, reject in found.items():
        own, of = (set(shingles(prompts[int(n)])) for n in (name, reject["of"]))
        exact = len(own & of) / len(own | of)
        assert exact >= threshold
        assert reject["similarity"] == round(exact, 4)
        assert int(reject["of"]) < int(name)
        assert reject["of"] not in found
    left = {str(k): p for k, p in enumerate(prompts) if str(k) not in found}
    assert near_duplicates(left, threshold) == {}


@pytest.mark.parametrize(
    ("threshold", "length", "changed"),
    [(0.5, 14, 4), (0.6, 22, 5), (0.7, 19, 3), (0.8, 20, 2), (0.9, 40, 2), (0.95, 41, 1)],
)
def test_99_of_100_pairs_at_the_threshold_are_found(
    threshold: float, length: int, changed: int
) -> None:
    rng = random.Random(length)
    pairs = []
    for _ in range(1000):
        first = rng.choices(WORDS, k=length)
        pairs.append(
            (first, first[:-changed] + [f"x{rng.getrandbits(60)}" for _ in range(changed)])
        )
    prompts = {f"{k}{side}": " ".join(p[side]) for k, p in enumerate(pairs) for side in (0, 1)}
    exact = Counter(
        similarity(set(shingles(prompts[f"{k}0"])), set(shingles(prompts[f"{k}1"])))
        for k in range(len(pairs))
    )
    assert exact.most_common(1)[0][0] == threshold
    found = near_duplicates(prompts, threshold)
    assert set(found) <= {f"{k}1" for k in range(len(pairs))}
    assert len(found) >= 990
    tighter = near_duplicates(prompts, min(1.0, threshold + 0.02))
    assert len(tighter) < 50


def test_of_many_mixed_prompts_99_of_100_near_pairs_are_found() -> None:
    rng = random.Random(5)
    prompts: list[list[str]] = []
    for _ in range(600):
        prompt = list(rng.choice(prompts)) if prompts else rng.choices(WORDS[:300], k=40)
        for _ in range(rng.choice([1, 1, 2, 40])):
            prompt[rng.randrange(40)] = rng.choice(WORDS[:300])
        prompts.append(prompt)
    named = {str(k): " ".join(p) for k, p in enumerate(prompts)}
    found = near_duplicates(named, 0.8)
    kept = {k: set(shingles(p)) for k, p in named.items() if k not in found}
    missed = sum(similarity(kept[a], kept[b]) >= 0.8 for a, b in combinations(kept, 2))
    assert len(found) > 100
    assert missed <= 0.01 * len(found)


def test_many_prompts_below_the_threshold_hide_no_copy() -> None:
    rng = random.Random(6)
    template = " ".join(f"t{k}" for k in range(30))
    prompts = {str(k): f"{template} {' '.join(rng.choices(WORDS, k=20))}" for k in range(500)}
    copies = {f"copy {k}": f"{prompts[str(k)]} indeed" for k in range(500)}
    found = near_duplicates({**prompts, **copies}, 0.8)
    assert len(found) >= 495
    assert all(reject["of"] == name.removeprefix("copy ") for name, reject in found.items())


def test_what_is_near_a_refused_prompt_only_is_kept() -> None:
    prompts = [" ".join([*WORDS[n:42], *WORDS[100 : 100 + n]]) for n in (0, 3, 6)]
    found = near_duplicates(dict(zip("abc", prompts, strict=True)), 0.8)
    assert {name: reject["of"] for name, reject in found.items()} == {"b": "a"}
    assert near_duplicates(dict(zip("bc", prompts[1:], strict=True)), 0.8).keys() == {"c"}


BAKERY = (
    "A baker near the old harbour bakes {} loaves of bread before the ferry comes, and {} more"
    " after lunch for the late guests. How many loaves does the baker bake on that day altogether?"
)


def test_prompts_of_a_template_with_other_numbers_are_all_kept() -> None:
    prompts = {str(k): BAKERY.format(10 + k, 3 + k % 7) for k in range(200)}
    assert near_duplicates(prompts, 0.5) == {}
    again = {f"again {k}": prompt.replace("old ", "") for k, prompt in prompts.items()}
    found = near_duplicates({**prompts, **again}, 0.7)
    assert {name: reject["of"] for name, reject in found.items()} == {
        f"again {k}": k for k in prompts
    }


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        (("9", "9"), True),
        (("9 loaves", " 9  Loaves."), True),
        (("1,000", "1000.0"), True),
        (("9", "8"), False),
        (("yes", "no"), False),
        (("-9", "9"), False),
    ],
)
def test_prompts_with_other_answers_are_no_near_duplicates(
    answers: tuple[str, str], found: bool
) -> None:
    prompts = {"a": BAKERY.format("four", "five"), "b": BAKERY.format("four", "six")}
    told = near_duplicates(prompts, 0.7, dict(zip("ab", answers, strict=True)))
    assert bool(told) is found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,000 and 1000 and 1'000 and 1_000", ("1000",) * 4),
        ("1,2,3 or 1,2345", ("1", "2", "3", "1", "2345")),
        ("2.50 and 2.5, 007, 0.0", ("2.5", "2.5", "7", "0")),
        ("w15, x_1 and 3x5", ("3",)),
        ("3-4+5*6/7=$8 9%", ("3", "4", "5", "6", "7", "8", "9")),
        ("three", ()),
    ],
)
def test_numbers_are_read_in_their_plain_form(text: str, expected: tuple[str, ...]) -> None:
    assert numbers(text) == expected


@given(st.lists(st.integers(0, 10**12)), st.sampled_from([",", "_", ""]))
def test_a_number_is_the_same_with_and_without_separators(
    values: list[int], separator: str
) -> None:
    written = " and ".join(f"{value:,}".replace(",", separator) for value in values)
    assert numbers(written) == tuple(map(str, values))


def test_numbers_are_read_in_linear_time() -> None:
    for text in ("1" * 10**6, "1,234" * 10**5, "1," * 10**5, "x1" * 10**5, "1.1" * 10**5):
        assert len(numbers(text)) <= len(text)
