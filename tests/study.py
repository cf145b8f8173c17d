"""The study of docs/learning.md: what helps a weak model most, at equal compute.

    python -m tests.study                     # all arms, three seeds: the tables of the page
    python -m tests.study --seeds 0 --arms filter-steps,reward-gated --budget 30 --items 60

A weak model is fine-tuned on four tasks, and too little. Each arm then spends the same CPU seconds
on two of them, by other means. All answer the same fresh problems, which nothing was trained on. A
third task, the only one learnt well, tells what was forgotten. The settings of the arms were chosen
on problems of other seeds.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from tunix_rt_nb import dataset, evaluate, improve, models, render, runs, tasks, train
from tunix_rt_nb.common import files
from tunix_rt_nb.evaluate import Prediction
from tunix_rt_nb.evaluate.uncertainty import mcnemar
from tunix_rt_nb.report import text_table
from tunix_rt_nb.trace import Said, Trace, form

LEARNT, UNTOUCHED = ("arithmetic", "high_card_duel"), "aiw"
WEAK = {  # no arm goes on on gcd, which makes the model learn the others slowly
    "TRACES": {"arithmetic": 2400, "high_card_duel": 1200, "gcd": 1200, UNTOUCHED: 1000},
    "STEPS": 700,
}
ITEMS_SEED = 777  # the settings of the arms were chosen on the problems of seed 555
BUDGET = 60.0  # CPU seconds of an arm
NEW_TOKENS = 128
_FAR = 10**6  # steps: more than any arm takes


class Arm(NamedTuple):
    """A way to go on from the weak model.

    Attributes:
      told: how the tables call it.
      rate: the peak learning rate.
      rows: packed rows a step.
      seconds: CPU seconds of a round, or of a step on worked solutions, on the machine of the page.
      how: `improve.Settings` of its rounds, apart from their number; or `traces`, the traces that
        it is fine-tuned on: `same`, those of the weak model, or `fresh` ones.
    """

    told: str
    rate: float
    rows: int
    seconds: float
    how: Mapping[str, Any]


_SAMPLED = {"prompts": 128, "group": 4, "round_steps": 40, "answer_temperature": 0.5}
_REDRAWN = {"prompts": 128, "group": 2, "round_steps": 50, "answer_temperature": 0.3}
_REWARDED = {"prompts": 16, "group": 8, "round_steps": 1, "answer_temperature": 1.0}
_REWARD = {"method": "reward", **_REWARDED}
_PREFER = {"method": "prefer", "beta": 0.1, **_REWARDED}
ARMS = {
    "same": Arm("worked solutions, the same", 1e-3, 2, 0.125, {"traces": "same"}),
    "fresh": Arm("worked solutions, fresh", 1e-3, 2, 0.125, {"traces": "fresh"}),
    "filter-answer": Arm("filter: the answer", 5e-4, 2, 7.0, {"credit": "answer", **_SAMPLED}),
    "filter-steps": Arm("filter: answer and steps", 5e-4, 2, 7.0, {"credit": "gated", **_SAMPLED}),
    "redraw-equations": Arm(
        "filter, equations redrawn", 1e-3, 2, 10.0, {"redraw": "equations", **_REDRAWN}
    ),
    "redraw-steps": Arm("filter, steps redrawn", 1e-3, 2, 10.0, {"redraw": "task", **_REDRAWN}),
    "redraw-replay": Arm(
        "the same, a quarter replayed",
        1e-3,
        2,
        10.0,
        {"redraw": "task", "replay": 0.25, **_REDRAWN},
    ),
    "reward-answer": Arm("reward: the answer", 5e-4, 16, 3.0, {"credit": "answer", **_REWARD}),
    "reward-gated": Arm("reward: answer and steps", 5e-4, 16, 3.0, {"credit": "gated", **_REWARD}),
    "reward-first": Arm(
        "reward: first wrong step", 5e-4, 16, 3.0, {"credit": "first_wrong", **_REWARD}
    ),
    "prefer": Arm("prefer: pairs", 3e-4, 16, 3.5, _PREFER),
}


class Weak(NamedTuple):
    """A weak model, and the problems that it and its successors are asked."""

    folder: Path
    items: list[tuple[str, Trace]]
    rendered: render.Rendered
    answers: list[Prediction]


def weak(seed: int, n: int, items_seed: int) -> Weak:
    """Fine-tune a model too little, or find it, and let it answer `n` fresh problems of each task."""
    folder = runs.chain.paths.home() / "runs" / f"study-{seed}"
    runs.chain.run(folder, {**WEAK, "SEED": seed}, to_step="train")
    built = dataset.built_in(folder / "2_build")
    seen = {key for _, trace in dataset.load(built, "train") for key in dataset.evalset.keys(trace)}
    items = [
        (f"{name}-{k}", trace)
        for name in (*LEARNT, UNTOUCHED)
        for k, trace in enumerate(_fresh(name, n, items_seed, seen))
    ]
    rendered = render.read_manifest(folder / "3_render")
    answers = answered(models.load(folder / "4_train" / "model")[0], folder, items, rendered)
    return Weak(folder, items, rendered, answers)


def _fresh(name: str, n: int, seed: int, seen: set[Any]) -> Iterator[Trace]:
    """Yield `n` traces of problems that were not seen."""
    found = 0
    for trace in tasks.draw(name, 2 * n, seed):
        if found < n and seen.isdisjoint(dataset.evalset.keys(trace)):
            found += 1
            yield trace


def answered(
    model: Any, folder: Path, items: Sequence[tuple[str, Trace]], rendered: render.Rendered
) -> list[Prediction]:
    """Let a model answer items, greedily."""
    how = form(rendered["template"], rendered["style"], rendered["system"])
    tokenizer = render.load_tokenizer(folder / "3_render")
    prompts = render.encode_prompts([(how, trace.prompt) for _, trace in items], tokenizer)
    said = models.sampling.generate(
        model, tokenizer, prompts, how.template.stops, NEW_TOKENS, batch_size=80
    )
    return evaluate.predictions_of(items, said, rendered, NEW_TOKENS)


def learnt(start: Weak, arm: Arm, seed: int, budget: float) -> tuple[Any, float]:
    """Train the weak model by an arm; return the model and the CPU seconds that it took."""
    model, tokenizer = models.load(start.folder / "4_train" / "model")
    eval_data = render.load(start.folder / "3_render", "eval", 60)
    with tempfile.TemporaryDirectory() as name:
        began = time.process_time()
        if "traces" in arm.how:
            feed, config = _worked(start, arm, tokenizer, seed, budget)
        else:
            feed, config = _rounds(start, arm, model, seed, budget, Path(name) / "rounds")
        rows = render.pack(eval_data, feed.rows.length if "traces" in arm.how else feed.length)
        train.learn(model, feed, rows, config, Path(name))
        return model, time.process_time() - began


def _worked(start: Weak, arm: Arm, tokenizer: Any, seed: int, budget: float) -> tuple[Any, Any]:
    """Return batches of worked solutions, and as many steps as the budget allows."""
    data = render.load(start.folder / "3_render", "train")
    if arm.how["traces"] == "fresh":
        banned = {key for _, trace in start.items for key in dataset.evalset.keys(trace)}
        drawn = [t for name in LEARNT for t in _fresh(name, 1_000, 1_000 + seed, banned)]
        how = form(start.rendered["template"], start.rendered["style"], start.rendered["system"])
        chats = [how.write(Said.of(trace)) for trace in drawn]
        data = render.encode(chats, tokenizer, [trace.id for trace in drawn])
    rows = render.pack_full(data, start.rendered["max_length"])
    config = _config(round(budget / arm.seconds), arm, seed)
    return train.batches_of(rows, config), config


def _rounds(
    start: Weak, arm: Arm, model: Any, seed: int, budget: float, folder: Path
) -> tuple[Any, Any]:
    """Return the rounds of an arm, as many as the budget allows.

    No worked solution is shown, but for those that an arm replays.
    """
    n = max(1, round(budget / arm.seconds))
    settings = improve.Settings.of(**{"rounds": n, "replay": 0.0, "seed": seed, **arm.how})
    config = _config(n * settings.round_steps, arm, seed)
    prompts = improve.Prompts([], LEARNT, ["easy"], start.items)
    first, _ = models.load(start.folder / "4_train" / "model")
    rendered = start.folder / "3_render"
    how = {"batch_size": 256}
    return improve.Rounds.of(
        model, first, prompts, rendered, settings, config, folder, **how
    ), config


def _config(steps: int, arm: Arm, seed: int) -> train.SftConfig:
    return train.SftConfig.of(
        steps=steps,
        batch_size=arm.rows,
        learning_rate=arm.rate,
        warmup_steps=min(10, steps // 4),
        checkpoint_every=_FAR,
        eval_every=_FAR,
        seed=seed,
    )


def all_right(predictions: Sequence[Prediction]) -> list[bool]:
    """Return for each prediction of a learnt task whether answer and steps are right."""
    return [p["outcome"] == "right" for p in predictions if p["task"] in LEARNT]


def figures(told: str, start: Weak, found: Sequence[Prediction], seconds: float) -> dict[str, Any]:
    """Return the row of an arm for one seed."""
    mine = [p for p in found if p["task"] in LEARNT]
    rest = [p for p in found if p["task"] == UNTOUCHED]
    pairs = list(zip(all_right(start.answers), all_right(found), strict=True))
    gained, lost = pairs.count((False, True)), pairs.count((True, False))
    wrong_reasons = [p["outcome"] for p in mine].count("right_answer_wrong_reasons")
    return {
        "arm": told,
        "CPU s": seconds,
        "answers": 100 * fmean(p["strict_score"] for p in mine),
        "all right": 100 * fmean(all_right(found)),
        "wrong reasons": 100 * wrong_reasons / len(mine),
        "untouched": 100 * fmean(p["outcome"] == "right" for p in rest),
        "p": mcnemar(gained, lost),
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows of all seeds as a Markdown table: means, and the range of `all right`."""
    by_arm: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_arm.setdefault(row["arm"], []).append(row)
    found = []
    for arm, seeds in by_arm.items():
        right = [row["all right"] for row in seeds]
        means = {name: fmean(row[name] for row in seeds) for name in seeds[0] if name != "arm"}
        found.append(
            {
                "arm": arm,
                "CPU s": f"{means['CPU s']:.0f}",
                "answers": f"{means['answers']:.1f} %",
                "all right": f"{means['all right']:.1f} % ({min(right):.1f} to {max(right):.1f})",
                "wrong reasons": f"{means['wrong reasons']:.1f} %",
                "untouched": f"{means['untouched']:.1f} %",
                "largest p": f"{max(row['p'] for row in seeds):.2g}",
            }
        )
    return text_table(found, right=list(found[0])[1:])


def main() -> None:
    """Run the arms, and print a line for each as it ends, and a table at the end."""
    parser = argparse.ArgumentParser(prog="python -m tests.study")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--budget", type=float, default=BUDGET)
    parser.add_argument("--items", type=int, default=150, help="problems of each task")
    parser.add_argument("--items-seed", type=int, default=ITEMS_SEED, help="which problems")
    given = parser.parse_args()
    rows = []
    for seed in map(int, given.seeds.split(",")):
        start = weak(seed, given.items, given.items_seed)
        rows.append(figures("weak, as it was", start, start.answers, 0.0))
        print(seed, files.json_line(rows[-1]).decode(), end="", flush=True)
        for name in given.arms.split(","):
            model, seconds = learnt(start, ARMS[name], seed, given.budget)
            found = answered(model, start.folder, start.items, start.rendered)
            rows.append(figures(ARMS[name].told, start, found, seconds))
            print(seed, files.json_line(rows[-1]).decode(), end="", flush=True)
    print(f"\n{os.cpu_count()} cores, {given.budget:g} CPU seconds an arm\n")
    print(table(rows))


if __name__ == "__main__":
    main()
