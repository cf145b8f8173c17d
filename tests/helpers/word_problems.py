"""Word problems from templates of no task, as a file of GSM8K's form.

python -m tests.helpers.word_problems 1500 > words.jsonl
python -m tests.helpers.word_problems 1500 --after 1500 > questions.jsonl  # others, answers only
"""

import argparse
import json
import random
from collections.abc import Callable, Iterator
from itertools import islice

Problem = tuple[str, list[str], int]
"""A question, the lines of its solution, and its answer."""

NAMES = (
    *("Ava", "Ben", "Cora", "Dev", "Elif", "Finn", "Gita", "Hugo", "Ines", "Jonas"),
    *("Kira", "Luis", "Mina", "Nils", "Olga", "Pablo", "Rosa", "Sami", "Tara", "Umar"),
)


def bakery(rng: random.Random) -> Problem:
    name, a, b, c = rng.choice(NAMES), rng.randint(3, 12), rng.randint(4, 15), rng.randint(2, 9)
    return (
        f"{name} bakes {a} trays of muffins with {b} muffins on each tray. {name} gives {c} muffins"
        " to a neighbour. How many muffins are left?",
        [
            f"There are {a}*{b}={a * b} muffins in all.",
            f"After giving away {c}, {a * b}-{c}={a * b - c} muffins are left.",
        ],
        a * b - c,
    )


def bus(rng: random.Random) -> Problem:
    a, b, c = rng.randint(20, 60), rng.randint(3, 15), rng.randint(3, 15)
    return (
        f"A bus leaves the station with {a} passengers. At the first stop {b} people get off and"
        f" {c} people get on. How many passengers are on the bus now?",
        [
            f"After {b} people get off there are {a}-{b}={a - b} passengers.",
            f"After {c} people get on there are {a - b}+{c}={a - b + c} passengers.",
        ],
        a - b + c,
    )


def savings(rng: random.Random) -> Problem:
    name, a, w, g = rng.choice(NAMES), rng.randint(5, 20), rng.randint(3, 9), rng.randint(10, 60)
    return (
        f"{name} saves ${a} every week for {w} weeks. {name} already had ${g}. How many dollars"
        f" does {name} have now?",
        [
            f"In {w} weeks {name} saves {a}*{w}={a * w} dollars.",
            f"Together with {g} that is {a * w}+{g}={a * w + g} dollars.",
        ],
        a * w + g,
    )


def garden(rng: random.Random) -> Problem:
    a, b = rng.randint(3, 30), rng.randint(3, 30)
    return (
        f"A rectangular garden is {a} meters long and {b} meters wide. How many meters of fence go"
        " around it?",
        [
            f"Length and width together are {a}+{b}={a + b} meters.",
            f"The fence goes around twice that, 2*{a + b}={2 * (a + b)} meters.",
        ],
        2 * (a + b),
    )


def pages(rng: random.Random) -> Problem:
    name, days, each = rng.choice(NAMES), rng.randint(3, 9), rng.randint(6, 20)
    return (
        f"{name} reads {each} pages of a book of {days * each} pages every day. How many days does"
        f" {name} need to read the whole book?",
        [f"The number of days is {days * each}/{each}={days}."],
        days,
    )


def shells(rng: random.Random) -> Problem:
    friends, each, more = rng.randint(2, 9), rng.randint(3, 12), rng.randint(2, 8)
    return (
        f"{friends} friends find {friends * each} shells and share them equally. Then each of them"
        f" finds {more} more. How many shells does each friend have?",
        [
            f"Each friend first gets {friends * each}/{friends}={each} shells.",
            f"With {more} more each has {each}+{more}={each + more} shells.",
        ],
        each + more,
    )


def eggs(rng: random.Random) -> Problem:
    hens, days, kept = rng.randint(4, 12), rng.randint(2, 7), rng.randint(2, 9)
    every = hens * days
    return (
        f"A farm has {hens} hens. Each hen lays an egg a day. In {days} days the farmer sells all"
        f" eggs but {kept}. How many eggs does the farmer sell?",
        [
            f"In {days} days the hens lay {hens}*{days}={every} eggs.",
            f"All but {kept} are {every}-{kept}={every - kept} eggs.",
        ],
        every - kept,
    )


def tickets(rng: random.Random) -> Problem:
    a, p, c, q = rng.randint(2, 6), rng.randint(5, 12), rng.randint(2, 6), rng.randint(2, 5)
    return (
        f"A ticket costs ${p} for an adult and ${q} for a child. A group of {a} adults and {c}"
        " children visits the zoo. How many dollars do they pay?",
        [
            f"The adults pay {a}*{p}={a * p} dollars.",
            f"The children pay {c}*{q}={c * q} dollars.",
            f"Together they pay {a * p}+{c * q}={a * p + c * q} dollars.",
        ],
        a * p + c * q,
    )


def water(rng: random.Random) -> Problem:
    tank, each, days = rng.randint(75, 99), rng.randint(2, 9), rng.randint(2, 8)
    return (
        f"A tank holds {tank} liters of water. A family uses {each} liters a day. How many liters"
        f" are left after {days} days?",
        [
            f"In {days} days the family uses {each}*{days}={each * days} liters.",
            f"Then {tank}-{each * days}={tank - each * days} liters are left.",
        ],
        tank - each * days,
    )


def marbles(rng: random.Random) -> Problem:
    (one, two), a, b = rng.sample(NAMES, 2), rng.randint(5, 30), rng.randint(2, 9)
    return (
        f"{one} has {a} marbles. {two} has twice as many marbles as {one} and then loses {b}. How"
        f" many marbles does {two} have?",
        [
            f"Twice as many as {a} is 2*{a}={2 * a}.",
            f"After losing {b}, {two} has {2 * a}-{b}={2 * a - b} marbles.",
        ],
        2 * a - b,
    )


def stickers(rng: random.Random) -> Problem:
    name, k, b = rng.choice(NAMES), rng.randint(4, 30), rng.randint(2, 9)
    return (
        f"{name} has {2 * k} stickers and gives half of them to a friend. Later {name} buys {b}"
        f" stickers. How many stickers does {name} have?",
        [f"Half of {2 * k} is {2 * k}/2={k}.", f"With {b} more that is {k}+{b}={k + b} stickers."],
        k + b,
    )


def shelves(rng: random.Random) -> Problem:
    a, b, c = rng.randint(3, 8), rng.randint(5, 15), rng.randint(5, 30)
    return (
        f"A library puts {b} books on each of {a} shelves. {c} more books lie on a table. How many"
        " books are there?",
        [
            f"On the shelves are {a}*{b}={a * b} books.",
            f"With those on the table there are {a * b}+{c}={a * b + c} books.",
        ],
        a * b + c,
    )


TEMPLATES: tuple[Callable[[random.Random], Problem], ...] = (
    *(bakery, bus, savings, garden, pages, shells),
    *(eggs, tickets, water, marbles, stickers, shelves),
)


def records(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """Yields different problems in GSM8K's form."""
    rng, seen = random.Random(seed), set[str]()
    while len(seen) < count:
        question, lines, answer = rng.choice(TEMPLATES)(rng)
        if question not in seen:
            seen.add(question)
            yield {"question": question, "answer": "\n".join([*lines, f"#### {answer}"])}


def main() -> None:
    """Print records; after others, questions with answers only."""
    parser = argparse.ArgumentParser(prog="python -m tests.helpers.word_problems")
    parser.add_argument("count", type=int)
    parser.add_argument("--after", type=int, default=0, help="how many problems to leave out first")
    given = parser.parse_args()
    for record in islice(records(given.after + given.count), given.after, None):
        answer = record["answer"].splitlines()[-1]
        print(json.dumps(record | {"answer": answer} if given.after else record))


if __name__ == "__main__":
    main()
