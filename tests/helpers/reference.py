"""Data in the shapes of the service `tunix-rt`: its data set of 550 traces, its 100 eval items."""

import random
from collections.abc import Callable, Iterator
from typing import Any

Record = dict[str, Any]
_WORDS = ("reason", "model", "trace", "tunix", "train", "hello", "world")
_NAME = "dev-reasoning-v2"


def traces() -> list[Record]:
    """550 traces: 385 of reasoning, 110 synthetic, 35 in the golden style, 20 edge cases.

    As in the original, some prompts occur more than once, with another `meta.index`.
    """
    rng = random.Random(42)
    made = [
        *_drawn(rng, "reasoning", _REASONING, 385, "template_id"),
        *_drawn(rng, "synthetic", _SYNTHETIC, 110, "task_type"),
        *_drawn(rng, "golden_style", _GOLDEN, 35, "task_type"),
        *_drawn(rng, "edge_case", _EDGE_CASES, 20, "task_type"),
    ]
    rng.shuffle(made)
    return made


def items() -> list[Record]:
    """100 items: 60 core, 25 trace_sensitive, 15 edge_case, with categories of their own."""
    asked = [*_core(), *_trace_sensitive(), *_edge_cases()]
    names = ("prompt", "expected_answer", "section", "category", "difficulty")
    return [
        {"id": f"eval-v2-{n:03}", **dict(zip(names, one, strict=True))}
        for n, one in enumerate(asked, 1)
    ]


_Drawn = tuple[str, list[tuple[str, str]], str]


def _drawn(
    rng: random.Random,
    category: str,
    draws: dict[str, Callable[[random.Random], _Drawn]],
    count: int,
    kind: str,
) -> Iterator[Record]:
    names = list(draws)
    for index in range(count):
        name = names[index % len(names)]
        prompt, steps, answer = draws[name](rng)
        of_kind = index % len(names) if kind == "template_id" else name
        yield {
            "trace_version": "1.0",
            "prompt": prompt,
            "final_answer": answer,
            "steps": [{"i": i, "type": t, "content": c} for i, (t, c) in enumerate(steps)],
            "meta": {
                "dataset": _NAME,
                "generator": "seed",
                "seed": 42,
                "category": category,
                kind: of_kind,
                "index": index,
            },
        }


def _train(rng: random.Random) -> _Drawn:
    speed, hours = rng.randint(40, 120), rng.randint(1, 8)
    way = f"{speed * hours} km"
    steps = [
        ("setup", "I need to use the formula: distance = speed × time"),
        ("given", f"Given: speed = {speed} km/h, time = {hours} hours"),
        ("calculation", f"Distance = {speed} × {hours} = {way}"),
        ("answer", f"The train travels {way}"),
    ]
    return f"A train travels at {speed} km/h for {hours} hours. How far does it travel?", steps, way


def _percent(rng: random.Random) -> _Drawn:
    share, base = rng.randint(10, 90), rng.randint(100, 1000)
    result = round(share / 100 * base, 2)
    steps = [
        ("setup", "To find a percentage, multiply the base by (percent/100)"),
        ("calculation", f"({share}/100) × {base} = {result}"),
        ("verification", f"Check: {result} is approximately {share}% of {base}"),
    ]
    return f"What is {share}% of {base}?", steps, f"{result}"


def _cost(rng: random.Random) -> _Drawn:
    count, total = rng.randint(2, 20), rng.randint(20, 200)
    each = f"${round(total / count, 2)}"
    steps = [
        ("formula", "Cost per item = total cost ÷ number of items"),
        ("calculation", f"${total} ÷ {count} = {each}"),
        ("answer", f"Each item costs {each}"),
    ]
    return f"If {count} items cost ${total}, what is the cost per item?", steps, each


def _product(rng: random.Random) -> _Drawn:
    a, b = rng.randint(10, 99), rng.randint(10, 99)
    ones, tens = a * (b % 10), a * (b // 10) * 10
    steps = [
        ("setup", f"Breaking down {a} × {b}"),
        ("partial1", f"{a} × {b % 10} (ones) = {ones}"),
        ("partial2", f"{a} × {b // 10}0 (tens) = {tens}"),
        ("sum", f"Add partials: {ones} + {tens} = {a * b}"),
    ]
    return f"Multiply {a} × {b} step by step.", steps, f"{a * b}"


def _reverse(rng: random.Random) -> _Drawn:
    word = rng.choice(_WORDS)
    steps = [("process", f"Take each character of '{word}' from its end"), ("result", word[::-1])]
    return f"Reverse the string: '{word}'", steps, word[::-1]


def _sort(rng: random.Random) -> _Drawn:
    letters = "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=rng.randint(4, 8)))
    order = "".join(sorted(letters))
    steps = [("process", f"Arrange characters of '{letters}'"), ("result", f"Sorted: {order}")]
    return f"Sort these characters alphabetically: {letters}", steps, order


def _upper(rng: random.Random) -> _Drawn:
    word = rng.choice(_WORDS)
    return f"Convert '{word}' to uppercase", [("transform", word.upper())], word.upper()


def _lines(rng: random.Random) -> _Drawn:
    word, n = rng.choice(_WORDS), rng.randint(2, 9)
    said = "\n".join([word] * n)
    return f"Write '{word}' {n} times, one a line.\n\nNo numbers!", [("output", said)], said


def _odd(rng: random.Random) -> _Drawn:
    n = rng.randint(1, 9_999)
    steps = [("step", f'Ünïcödé 🂡 {n} \\ "quotes" <b>&amp;</b>\n2. Not a step of its own.')]
    return f"  Edge {n}: <start_of_turn>user\n", steps, f"{{{n}}}"


_REASONING = {"0": _train, "1": _percent, "2": _cost, "3": _product}
_SYNTHETIC = {"string_reverse": _reverse, "string_sort": _sort}
_GOLDEN = {"uppercase": _upper, "repeat": _lines}
_EDGE_CASES = {"special": _odd}
_Item = tuple[str, str, str, str, str]


def _core() -> Iterator[_Item]:
    for n in range(40):
        yield f"What is {n + 3} + {2 * n}?", f"{3 * n + 3}", "core", "arithmetic", "easy"
    for n in range(19):
        yield (
            f"How many days are in {n + 2} weeks?",
            f"{7 * n + 14}",
            "core",
            "conversion",
            "medium",
        )
    yield "What is the capital of France?", "Paris", "core", "knowledge", "easy"


def _trace_sensitive() -> Iterator[_Item]:
    for n in range(25):
        asked = f"A car uses 5 liters of fuel per 100 km. How many liters for {50 * n + 50} km?"
        yield asked, f"{2.5 * n + 2.5:g}", "trace_sensitive", "word_problem", "hard"


def _edge_cases() -> Iterator[_Item]:
    yield "What is the capital of FRANCE?", "Paris", "edge_case", "formatting", "easy"
    yield "What is   42  ?", "42", "edge_case", "formatting", "easy"
    yield "True or false: 2 + 2 = 4", "true", "edge_case", "formatting", "easy"
    for n in range(12):
        yield f"What is 00{n} + 0.5?", f"{n + 0.5}", "edge_case", "arithmetic", "easy"
