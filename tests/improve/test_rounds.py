"""Rounds of a small model: batches, figures, and what a run that goes on finds on the disk."""

import dataclasses
import logging
import multiprocessing
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from tests.improve.small import Small, improved, rounds, small
from tunix_rt_nb import evaluate, models
from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.improve import Rounds, Settings, attempts
from tunix_rt_nb.improve.attempts import Attempt
from tunix_rt_nb.improve.credit import advantages
from tunix_rt_nb.trace import Trace
from tunix_rt_nb.train.loss import sums

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.slow]

FILTER = Settings.of(
    rounds=3, prompts=8, group=4, round_steps=4, max_new_tokens=24, answer_temperature=1.0
)
REWARD = FILTER.model_copy(update={"method": "reward", "replay": 0.0})

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


@contextmanager
def compiled() -> Iterator[list[str]]:
    """Note the names of the functions that JAX compiles within a `with` block."""
    found: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.extend(  # type: ignore[method-assign]
        re.findall(r"^Compiling jit\((\w+)\)", record.getMessage())
    )
    logger = logging.getLogger("jax._src.interpreters.pxla")
    logger.addHandler(handler)
    try:
        with jax.log_compiles():
            yield found
    finally:
        logger.removeHandler(handler)


@pytest.fixture(scope="module")
def of(tmp_path_factory: pytest.TempPathFactory) -> Small:
    return small(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def whole(of: Small, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder of a run that nobody stopped, and what was compiled for it."""
    out = tmp_path_factory.mktemp("whole")
    with compiled() as names:
        made = improved(of, out, FILTER)
    models.save(made.model, made.tokenizer, out / "model")
    return out, names


def lines(out: Path, kind: str) -> list[dict[str, Any]]:
    return [line for line in files.read_lines(out / "metrics.jsonl") if kind in line]


def test_all_rounds_share_one_compiled_step(whole: tuple[Path, list[str]]) -> None:
    out, names = whole
    assert len(lines(out, "loss")) == 12
    assert names.count("_train_step") == 1, names


def test_each_round_tells_its_figures_before_its_first_step(whole: tuple[Path, list[str]]) -> None:
    told = lines(whole[0], "round")
    assert [(line["round"], line["step"]) for line in told] == [(1, 0), (2, 4), (3, 8)]
    assert [line["lessons"] for line in told] == sorted(line["lessons"] for line in told)
    assert told[0]["distance"] == 0 < told[1]["distance"]
    assert all(0 < line["informative"] <= 1 and line["too_long"] == 0 for line in told)
    kept = [len(list(files.read_lines(p))) for p in sorted((whole[0] / "rounds").iterdir())]
    assert kept == [1 + 8 * 4] * 3


def answers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no model answer any more."""

    def answer(*given: Any) -> None:
        raise AssertionError("the model is asked")

    monkeypatch.setattr(attempts, "answer", answer)


def copied(whole: tuple[Path, list[str]], folder: Path) -> Path:
    shutil.copytree(whole[0] / "rounds", folder / "rounds")
    return folder


def test_what_was_answered_is_read_and_gives_the_same_batches(
    of: Small, whole: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers_nothing(monkeypatch)
    first, second = (rounds(of, copied(whole, tmp_path / name), FILTER) for name in "ab")
    batches = [first[k] for k in range(len(first))]
    assert len({str({name: a.shape for name, a in batch.items()}) for batch in batches}) == 1
    again = second[7]  # a resumed run begins in the midst
    assert all(np.array_equal(again[name], batches[7][name]) for name in again)
    told = second.predictions()
    assert [len(answered) for answered in told] == [32] * 3
    assert len({answered[0]["prompt"] for answered in told}) == 1


def test_a_round_that_was_cut_off_goes_on_with_the_answers_that_it_kept(
    of: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models.sampling, "CHUNK", 2)  # of 16 answers
    told: list[int] = []

    def report(done: int, *of_all: int) -> None:
        if done > 20:
            raise KeyboardInterrupt

    def begun(name: str, report: Any = lambda *told: None) -> Rounds:
        made = rounds(of, tmp_path / name, FILTER)
        return dataclasses.replace(made, batch_size=8, report=report)

    with pytest.raises(KeyboardInterrupt):
        begun("cut", report).attempts(0)
    with (tmp_path / "cut/rounds/round-01.kept.jsonl").open("r+b") as file:
        file.truncate(file.seek(0, os.SEEK_END) - 5)  # the last answers were not written in whole
    begun("cut", lambda done, *of_all: told.append(done)).attempts(0)
    assert told[0] > 16 and told == sorted(told) and told[-1] == 32
    begun("whole").attempts(0)
    written = [tmp_path / name / "rounds" for name in ("cut", "whole")]
    assert [[p.name for p in folder.iterdir()] for folder in written] == [["round-01.jsonl"]] * 2
    first, second = (files.sha256(folder / "round-01.jsonl") for folder in written)
    assert first == second


def test_a_file_that_was_learned_from_and_is_gone_is_not_answered_anew(
    of: Small, whole: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers_nothing(monkeypatch)
    out = copied(whole, tmp_path / "out")
    (out / "rounds/round-02.jsonl").rename(tmp_path / "gone")
    says = rf"round-02\.jsonl: is missing, remove {out} to start again"
    with pytest.raises(InputError, match=says):
        rounds(of, out, FILTER).attempts(2)
    with pytest.raises(InputError, match=says):
        rounds(of, out, FILTER)[5]
    with pytest.raises(AssertionError, match="the model is asked"):
        rounds(of, out, FILTER)[4]  # nothing of this round was learned yet


def test_another_run_answers_anew(
    of: Small, whole: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers_nothing(monkeypatch)
    out = copied(whole, tmp_path)
    assert rounds(of, out, FILTER, CHECKPOINT_EVERY=1).attempts(0)
    other = rounds(of, out, FILTER)
    other.start.final_norm.scale.value += 1e-6
    mine = tmp_path / "mine.py"
    mine.write_text("def grade(answer, expected, prompt):\n    return float(answer == expected)\n")
    graded = rounds(of, out, FILTER)
    graded.grader = evaluate.named_grader(mine)
    faster = rounds(of, out, FILTER, IMPROVE_RATE=0.1)
    reseeded = rounds(of, out, FILTER.model_copy(update={"seed": 1}))
    adapted = rounds(of, out, FILTER)
    adapted.model = models.lora.apply(adapted.model, 4, 8.0)
    for made in (other, graded, faster, reseeded, adapted):
        with pytest.raises(AssertionError, match="the model is asked"):
            made.attempts(0)
    known = [rounds(of, out, FILTER).identity(), *(m.identity() for m in (other, graded, reseeded))]
    assert len({files.digest(identity) for identity in known}) == 4


def test_steps_that_are_not_those_of_all_rounds_are_refused(of: Small, tmp_path: Path) -> None:
    made = rounds(of, tmp_path, FILTER)
    with pytest.raises(InputError, match="^steps: 11, expected 12, those of all rounds"):
        dataclasses.replace(made, config=made.config.model_copy(update={"steps": 11}))


def test_a_round_with_nothing_to_learn_goes_on_and_says_so(
    of: Small, whole: tuple[Path, list[str]], tmp_path: Path
) -> None:
    hopeless = [(name, Trace.of(trace.prompt, [], "nothing")) for name, trace in of.traces]
    made = rounds(of._replace(traces=hopeless), tmp_path / "none", FILTER)
    usual = rounds(of, copied(whole, tmp_path), FILTER)[0]
    assert made.figures(0)["lessons"] == 0
    assert {name: x.shape for name, x in made[0].items()} == {n: x.shape for n, x in usual.items()}
    assert (made[0]["places"] == made.length - 1).all()
    assert not made[0]["weight"].any()


# what a step of reward follows: plain policy gradients, from all logits and without packing


@pytest.fixture(scope="module")
def moved(of: Small, tmp_path_factory: pytest.TempPathFactory) -> Rounds:
    """The rounds of a model that has moved away from where it started."""
    made = rounds(of, tmp_path_factory.mktemp("rounds"), REWARD)
    made.attempts(0)
    weights = nnx.state(made.model, nnx.Param)
    nnx.update(made.model, jax.tree.map(lambda x: x + 0.02 * jnp.sin(1e3 * x), weights))
    return made


def padded(answered: Sequence[Attempt]) -> tuple[np.ndarray, np.ndarray]:
    """Tokens, one attempt a row, and which of them the model wrote."""
    tokens, said = (np.zeros((len(answered), 64), np.int32) for _ in range(2))
    for row, one in enumerate(answered):
        tokens[row, : one.length] = (*one.prompt, *one.said)
        said[row, len(one.prompt) : one.length] = 1
    return tokens, said.astype(bool)


def log_probabilities(model: Any, tokens: jax.Array) -> jax.Array:
    """The log-probability of each token but the first, from all logits."""
    places = jnp.broadcast_to(jnp.arange(64), tokens.shape)
    causal = jnp.broadcast_to(jnp.tril(jnp.ones((64, 64), bool)), (len(tokens), 64, 64))
    logits, _ = model(tokens, places, None, causal)
    each = jax.nn.log_softmax(logits[:, :-1])
    return jnp.take_along_axis(each, tokens[:, 1:, None], axis=2)[:, :, 0]


def test_the_loss_is_that_of_the_plain_policy_gradient(moved: Rounds) -> None:
    answered = moved.attempts(0)
    tokens, said = padded(answered)
    each = advantages(answered, "gated")
    assert len(set(each.round(6))) > 3
    # REINFORCE: minus the advantage times the log-probability of what was said.
    found = np.asarray(nnx.jit(log_probabilities)(moved.model, jnp.asarray(tokens)), np.float64)
    theirs = -(each[:, None] * said[:, 1:] * found).sum()
    batch = moved.rows.take(np.arange(len(moved.rows)))
    mine, count, _ = nnx.jit(sums)(moved.model, {name: jnp.asarray(x) for name, x in batch.items()})
    assert abs(theirs) > 1
    assert float(mine) == pytest.approx(theirs, abs=1e-5 * float(count))


def test_the_pull_to_the_start_is_the_slope_of_the_divergence(moved: Rounds) -> None:
    batch = moved[0]
    held = moved.settings.model_copy(update={"beta": 0.5})
    pulled = dataclasses.replace(moved, settings=held)[0]
    now, start = moved._likelihood.of(batch)
    assert np.abs(now - start).max() > 0.05

    def divergence(now: jax.Array) -> jax.Array:
        d = jnp.asarray(start) - now
        return (jnp.exp(d) - 1 - d).sum()

    # The weighted cross-entropy is -sum(weight * now), so its slope is the weight below zero.
    slope = -np.asarray(jax.grad(divergence)(jnp.asarray(now)))
    used = batch["places"] < moved.length - 1
    np.testing.assert_allclose(
        (pulled["weights"] - batch["weights"])[used], 0.5 * slope[used], atol=1e-5
    )
    assert not pulled["weights"][~used].any()


# killed


def run(of: Small, out: Path, told: Connection) -> None:
    """Learn from all rounds and save the model, in a process of its own."""
    made = improved(of, out, FILTER, report=told.send)
    models.save(made.model, made.tokenizer, out / "model")


@contextmanager
def running(of: Small, out: Path) -> Iterator[Connection]:
    """Start a run in a process of its own, yield what it tells, and kill it."""
    told, tells = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=run, args=(of, out, tells))
    process.start()
    tells.close()
    try:
        yield told
    finally:
        process.kill()
        process.join()


def test_killed_again_and_again_it_ends_in_the_same_weights(
    of: Small, whole: tuple[Path, list[str]], tmp_path: Path
) -> None:
    for moment in (1, 5, 3):
        with running(of, tmp_path) as told:
            if moment == 5:  # in the midst of a round
                while (line := told.recv())["step"] < moment or "loss" not in line:
                    pass
            else:  # between the answers of a round and the first update
                while not (tmp_path / f"rounds/round-0{moment}.jsonl").exists():
                    assert not told.closed
                    time.sleep(0.002)
        assert not (tmp_path / "model").exists()
    with running(of, tmp_path) as told, suppress(EOFError):
        while True:
            told.recv()
    weights = [files.sha256(out / "model/model.safetensors") for out in (whole[0], tmp_path)]
    assert weights[0] == weights[1]
    for kind in ("loss", "eval_loss", "round"):
        mine, theirs = lines(tmp_path, kind), lines(whole[0], kind)
        assert [stripped(line) for line in mine] == [stripped(line) for line in theirs]


def stripped(line: dict[str, Any]) -> dict[str, Any]:
    return {name: x for name, x in line.items() if name not in ("tokens_per_second", "utilisation")}
