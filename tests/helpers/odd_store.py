"""A store of a few thousand odd traces: what two engines could see, sort or write differently."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tunix_rt_nb import tasks
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace.trace import Trace

ODD = (
    *("İstanbul", "Straße", "ΣΊΣΥΦΟΣ", "ΑΣ.", "Σ", "e\u0301te\u0301", "\u212b", "q\u0323\u0307"),
    *("a\u00a0b", "x\u2003y", "\u1e9e", "ﬁne", "日本語", "😀", "👩‍👩‍👧", "a\tb", "l1\nl2"),
    *("c\rd", "f\ff", "Ǆ", "\u2028sep", "z\u200bw", "\x85nel", "\x1cfs", "\x0bvt", "nul\x00x"),
    *("\ud7a3", "Ꭰ", "\U0001e921", "\u0345", "ᾳ", "Ⅷ", "\ufffd", "\ufeff", "3", "1,000", "2.50"),
)
METAS: tuple[dict[str, Any] | None, ...] = (
    *(None, {}, {"task": "foreign"}, {"task": 7}, {"task": None}, {"task": {"a": 1}}),
    *({"n": 1.0}, {"n": 1e16, "m": 1e-7, "big": 2**63 - 1}, {"n": -0.0}, {"n": 1.5e300}),
    *(
        {"k": 'tab\t"q" \\ / \u2028 é 😀'},
        {"a": {"b": [1, 2.50, "x", None, True]}},
        {"deep": {"}": 1}},
    ),
    *({"created_at": "mine", "z": 1}, {"format": "f", "trace_version": [1]}, {"s": "\\u0061"}),
    {"earlier_messages": [{"role": "system", "content": "Be brief. 😀"}]},
)


def write(folder: Path, count: int = 3000) -> tuple[TraceStore, Path]:
    """Writes the store and an eval set whose prompts some of its traces repeat or quote."""
    rng = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(1000)]
    asked = [" ".join(rng.choices(words, k=rng.randint(5, 25))) for _ in range(40)]
    known = [trace.prompt for trace in tasks.draw("arithmetic", 3, seed=0, difficulty="medium")]
    eval_set = folder / "asked.jsonl"
    rows = [{"id": f"e{n}", "prompt": prompt} for n, prompt in enumerate([*asked, *known])]
    eval_set.write_text("".join(json.dumps(row) + "\n" for row in rows))
    store = TraceStore(folder / "odd [traces] {1}")
    for day, name in enumerate(("arithmetic", "gcd", "word_sorting", "spades_trick"), 1):
        made = tasks.draw(name, count // 10, seed=0, difficulty="medium")
        store.add(made, created_at=f"2026-01-0{day}T00:00:00Z")
    foreign = list(_foreign(rng, words, asked, count))
    for part in range(3):
        store.add(foreign[part::3], created_at=f"2026-02-01T12:00:0{part}.5Z")
    store.delete([trace.id for trace in rng.sample(foreign, 50)], "2026-03-01T00:00:00Z")
    _put_by_hand(store.folder)
    return store, eval_set


def _foreign(rng: random.Random, words: list[str], asked: list[str], count: int) -> Iterator[Trace]:
    """Yields traces of no known task: odd ones, repeated ones, and ones that give an item away."""
    told: list[str] = []
    for n in range(count):
        prompt = _prompt(rng, words, asked, told)
        told.append(prompt)
        steps = [("think", _odd(rng, rng.choice(words), 0.2)) for _ in range(rng.randint(1, 14))]
        meta = rng.choice(METAS)
        if meta is not None and rng.random() < 0.5:
            meta = {**meta, "i": n}
        answer = rng.choice(["yes", "no", rng.choice(words)]) + rng.choice(
            ["", "\nAnswer: x", " ✓"]
        )
        yield Trace.of(prompt, steps, answer, meta)


def _prompt(rng: random.Random, words: list[str], asked: list[str], told: list[str]) -> str:
    kind = rng.random()
    if kind < 0.25 and told:  # nearly the same
        parts = rng.choice(told[-300:]).split(" ")
        parts[rng.randrange(len(parts))] = rng.choice(words)
        return " ".join(parts)
    if kind < 0.35 and told:  # the same but for case and white space
        same = rng.choice(told)
        return same.upper() if rng.random() < 0.3 else "  " + same.replace(" ", "  ", 1) + "\n"
    if kind < 0.40:  # quotes an eval item
        return f"Please {rng.choice(asked)} now {rng.choice(words)}"
    if kind < 0.43:  # boilerplate that an eval item has, too
        return f"{asked[0]} {' '.join(rng.choices(words, k=12))}"
    if kind < 0.45:
        return rng.choice(asked).title()
    return _odd(rng, " ".join(rng.choices(words, k=rng.randint(4, 40))), 0.5)


def _odd(rng: random.Random, text: str, share: float) -> str:
    if rng.random() > share:
        return text
    parts = text.split(" ")
    parts[rng.randrange(len(parts))] = rng.choice(ODD)
    return " ".join(parts)


def _put_by_hand(folder: Path) -> None:
    """Puts a shard into the folder as another program might write it."""
    lines = []
    for n in range(20):
        trace = Trace.of(f"By hand {n} é", [("think", "so")], str(n), {"z": n, "a": 1e16})
        record = {"created_at": f"2026-04-01T01:00:{n:02}+01:00", "id": trace.id}
        lines.append(json.dumps({**record, **trace.model_dump()}) + "\n")
    (folder / "traces-by hand.jsonl").write_text("".join(lines))
