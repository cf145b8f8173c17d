from random import Random

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tests.conftest import THOROUGH
from tunix_rt_nb import tasks
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.models.tokenizer import Tokenizer, train_tokenizer
from tunix_rt_nb.render.encoding import encode
from tunix_rt_nb.render.examples import Example, Examples, load, writer
from tunix_rt_nb.render.packing import Least, Rows, pack, pack_full
from tunix_rt_nb.trace.chat import render

LENGTH = 32


def example(number: int, length: int) -> Example:
    ids = tuple(range(100 * number + 4, 100 * number + 4 + length))
    return Example(f"trace-{number}", ids, number % length)


examples = st.lists(st.integers(1, LENGTH), min_size=1, max_size=60).map(
    lambda lengths: [example(k, n) for k, n in enumerate(lengths)]
)


def arrays(rows: Rows) -> dict[str, np.ndarray]:
    return rows.arrays(np.arange(len(rows)))


@settings(max_examples=THOROUGH)
@given(examples)
def test_packing_keeps_every_example_whole_and_apart(packed: list[Example]) -> None:
    found = []
    for row in zip(*arrays(pack(Examples.of(packed), LENGTH)).values(), strict=True):
        tokens, segments, positions, trained = row
        for number in range(1, segments.max() + 1):
            place = np.flatnonzero(segments == number)
            assert (np.diff(place) == 1).all()
            assert positions[place].tolist() == list(range(len(place)))
            found.append((tuple(tokens[place].tolist()), tuple(trained[place].tolist())))
        assert not (tokens[segments == 0].any() or positions[segments == 0].any())
        assert not trained[segments == 0].any()
    assert sorted(found) == sorted((e.ids, e.mask) for e in packed)


def one_by_one(packed: list[Example]) -> list[list[str]]:
    """Best fit decreasing as textbooks have it; of two rows as full, the one filled last."""
    rows: list[list[Example]] = []
    filled: list[int] = []
    for each in sorted(packed, key=len, reverse=True):
        room = [LENGTH - sum(map(len, row)) for row in rows]
        fits = [n for n in reversed(filled) if room[n] >= len(each)]
        best = min(fits, key=room.__getitem__, default=len(rows))
        if best == len(rows):
            rows.append([])
        rows[best].append(each)
        filled = [*(n for n in filled if n != best), best]
    return [[each.id for each in row] for row in rows]


@settings(max_examples=THOROUGH)
@given(examples)
def test_packing_is_best_fit_decreasing(packed: list[Example]) -> None:
    rows = pack(Examples.of(packed), LENGTH)
    starts = [0, *rows.ends[:-1]]
    index = Examples.of(packed).index["id"][rows.order]
    ids = [[name.decode() for name in index[a:b]] for a, b in zip(starts, rows.ends, strict=True)]
    assert ids == one_by_one(packed)
    assert rows.fill == pytest.approx((arrays(rows)["segments"] > 0).mean())


@given(examples, st.randoms())
def test_a_batch_predicts_every_trained_token_that_has_one_before_it(
    packed: list[Example], random: Random
) -> None:
    rows = pack(Examples.of(packed), LENGTH)
    chosen = np.array([random.choice(range(len(rows))) for _ in range(3)])
    batch, all_rows = rows.take(chosen), arrays(rows)
    blocks = batch.pop("segments")
    assert np.array_equal(blocks.reshape(3, -1)[:, :LENGTH], all_rows["segments"][chosen])
    assert not blocks.reshape(3, -1)[:, LENGTH:].any()
    assert blocks.shape[2] >= max(map(len, packed))
    assert np.array_equal(batch["tokens"], all_rows["tokens"][chosen])
    for places, row in zip(batch["places"], chosen, strict=True):
        used = [place for place in places.tolist() if place < LENGTH - 1]
        assert used == (np.flatnonzero(all_rows["trained"][row, 1:])).tolist()


@pytest.mark.parametrize(
    ("length", "fill"), [(192, 0.89), (304, 0.95), (512, 0.95), (1024, 0.98), (2048, 0.98)]
)
def test_rows_of_our_tasks_are_full(length: int, fill: float) -> None:
    """Examples have some 50 or some 90 tokens here, so of 192 more stay empty."""
    drawn = [t for name in ("arithmetic", "high_card_duel") for t in tasks.draw(name, 900, 0)]
    chats = [render(trace) for trace in drawn]
    texts = [s.text for c in chats for s in (*c.prompt, *c.response) if not s.control]
    encoded = encode(chats, Tokenizer(train_tokenizer(texts)), [trace.id for trace in drawn])
    assert pack(encoded, length).fill >= fill


@pytest.mark.parametrize(("mean", "fill"), [(10, 0.999), (100, 0.94), (200, 0.79)])
def test_a_million_examples_are_packed_in_seconds(mean: int, fill: float) -> None:
    lengths = np.random.default_rng(0).poisson(mean, 1_000_000).clip(1, 512)
    encoded = Examples.joined(["x"] * len(lengths), lengths // 2, lengths, np.zeros(0, np.int32))
    rows = pack(encoded, 512)
    assert np.array_equal(np.sort(rows.order), np.arange(len(lengths)))
    assert np.add.reduceat(lengths[rows.order], [0, *rows.ends[:-1]]).max() <= 512
    assert rows.fill > fill


def test_what_does_not_fit_is_refused_by_name() -> None:
    long = Examples.of([example(1, 9)])
    with pytest.raises(InputError, match="trace-1: 9 tokens do not fit into a row of 8"):
        pack(long, 8)
    with pytest.raises(InputError, match="no examples"):
        pack(Examples.of([]), 8)


@given(st.lists(examples, max_size=3), st.booleans())
def test_examples_that_are_written_are_read(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[Example]], backwards: bool
) -> None:
    folder = tmp_path_factory.mktemp("examples")
    step = -1 if backwards else 1
    with writer(folder, "train") as add:
        for part in parts:
            add(Examples.of(part).chosen(slice(None, None, step)))
        assert not any(folder.glob("*.npy"))
    written = [each for part in parts for each in part[::step]]
    read = load(folder, "train")
    assert list(read) == written
    assert len(read.tokens) == sum(map(len, written))
    assert np.load(folder / "train.npy", allow_pickle=False)["id"].tolist() == [
        each.id.encode() for each in written
    ]


def test_the_shipped_mixture_fills_rows_to_95_percent() -> None:
    mixture = {"high_card_duel": 400, "arithmetic": 800}
    drawn = [trace for name, n in mixture.items() for trace in tasks.draw(name, n, 0)]
    chats = [render(trace) for trace in drawn]
    texts = [s.text for chat in chats for s in (*chat.prompt, *chat.response) if not s.control]
    tokenizer = Tokenizer(train_tokenizer(texts, 640))
    found = encode(chats, tokenizer, [trace.id for trace in drawn])
    rows = pack_full(found, 192)
    assert rows.fill >= 0.95
    assert all(pack(found, length).fill < 0.95 for length in range(192, rows.length, 16))
    assert sorted(rows.order.tolist()) == list(range(len(found)))


def test_where_rows_cannot_get_full_the_fullest_are_taken() -> None:
    few = Examples.of([example(k, 33) for k in range(3)])
    assert pack_full(few, 48, fill=1.0).length == 112
    with pytest.raises(InputError, match="do not fit into a row of 32"):
        pack_full(few, 32)


# weights, sizes that are assumed at least, and examples that stay together


@given(examples, st.randoms())
def test_every_trained_token_of_a_batch_has_its_own_weight(
    packed: list[Example], random: Random
) -> None:
    """Here the weight of a token is the token itself."""
    plain = Examples.of(packed)
    weighed = Examples(plain.index, plain.tokens, plain.tokens.astype(np.float32))
    rows = pack(weighed, LENGTH)
    batch = rows.take(np.array([random.choice(range(len(rows))) for _ in range(3)]))
    used = batch["places"] < LENGTH - 1
    after = np.take_along_axis(batch["tokens"], np.where(used, batch["places"] + 1, 0), axis=1)
    assert batch["weights"].dtype == np.float32
    assert np.array_equal(batch["weights"], np.where(used, after, 0))
    without = pack(plain, LENGTH).take(np.arange(1))
    assert without.keys() == batch.keys() - {"weights"}


@given(examples, examples, st.integers(1, LENGTH))
def test_with_the_same_least_sizes_all_batches_have_the_same_shapes(
    one: list[Example], other: list[Example], longest: int
) -> None:
    longest = max(longest, *map(len, one), *map(len, other))
    least = Least(longest, LENGTH - 1)
    batches = [pack(Examples.of(p), LENGTH, least).take(np.zeros(2, int)) for p in (one, other)]
    first, second = ({name: x.shape for name, x in batch.items()} for batch in batches)
    assert first == second
    assert batches[0]["places"].shape == (2, LENGTH - 1)
    for batch, packed in zip(batches, (one, other), strict=True):
        usual = pack(Examples.of(packed), LENGTH).take(np.zeros(2, int))
        n = usual["places"].shape[1]
        assert np.array_equal(batch["places"][:, :n], usual["places"])
        assert (batch["places"][:, n:] == LENGTH - 1).all()
        assert np.array_equal(batch["tokens"], usual["tokens"])


@given(st.lists(st.tuples(st.integers(1, LENGTH), st.integers(1, LENGTH)), min_size=1))
def test_examples_that_belong_together_stay_in_one_row(pairs: list[tuple[int, int]]) -> None:
    lengths = [n for pair in pairs for n in pair]
    packed = [example(k, n) for k, n in enumerate(lengths)]
    rows = pack(Examples.of(packed), 2 * LENGTH, together=2)
    assert sorted(rows.order.tolist()) == list(range(len(packed)))
    for row in range(len(rows)):
        ids = [int(name.removeprefix(b"trace-")) for name in rows.ids(row)]
        assert ids[::2] == [k - 1 for k in ids[1::2]]
        assert all(k % 2 == 0 for k in ids[::2])
        assert sum(lengths[k] for k in ids) <= 2 * LENGTH


def test_a_pair_that_does_not_fit_is_refused_by_its_first_name() -> None:
    pair = Examples.of([example(1, 9), example(2, 9)])
    with pytest.raises(InputError, match="trace-1: 18 tokens do not fit into a row of 16"):
        pack(pair, 16, together=2)


def test_chosen_examples_keep_their_weights() -> None:
    plain = Examples.of([example(1, 3), example(2, 4)])
    weighed = Examples(plain.index, plain.tokens, np.arange(7, dtype=np.float32))
    batch = pack(weighed.chosen(slice(1, 2)), 8).take(np.zeros(1, int))
    assert batch["weights"][0, :2].tolist() == [5.0, 6.0]
