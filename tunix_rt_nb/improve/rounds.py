"""Rounds of answer, check, keep, learn: the batches of a run, which the model writes itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tunix_rt_nb import evaluate, train
from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.evaluate import Prediction
from tunix_rt_nb.improve import attempts as answers, hashes
from tunix_rt_nb.improve.attempts import Attempt
from tunix_rt_nb.improve.figures import figures, rates
from tunix_rt_nb.improve.lessons import Lesson, examples_of, lessons, nothing, replayed
from tunix_rt_nb.improve.likelihood import Likelihood, pull
from tunix_rt_nb.improve.preference import pair_weights
from tunix_rt_nb.improve.prompts import Asked, Prompts
from tunix_rt_nb.improve.settings import Settings
from tunix_rt_nb.models import Tokenizer
from tunix_rt_nb.render import (
    Examples,
    Least,
    Rendered,
    Rows,
    load,
    load_tokenizer,
    pack,
    pack_full,
    read_manifest,
)
from tunix_rt_nb.trace import form

_COMPARED = 64  # attempts whose likelihood tells the distance from the start


@dataclass
class Rounds:
    """The batches of all rounds, for `train.learn`.

    A round has a fixed number of steps. When its first batch is asked for, the model answers the
    prompts of the round, and the graded answers are written to a file. So a run that was killed
    goes on with the same answers. All batches have the same shapes, so JAX compiles one step.

    Attributes:
      model: the model, which `train.learn` trains.
      start: the same model before the first round, to tell the distance from it.
      tokenizer: the tokenizer.
      prompts: the prompts that may be asked.
      replay: the examples of the fine-tuning.
      rendered: the manifest of these examples.
      length: the length of a row, in tokens.
      settings: how to learn.
      config: the training configuration; its steps are those of all rounds.
      folder: the folder for the files of the rounds.
      batch_size: answers that are sampled at a time.
      grader: what `evaluate.named_grader` returns.
      grader_name: what the grader is, for the identity of the run.
      report: called while a round is answered, with the number of answers so far, of answers in
        the round, of the round from 1, and of rounds.
    """

    model: Any
    start: Any
    tokenizer: Tokenizer
    prompts: Prompts
    replay: Examples
    rendered: Rendered
    length: int
    settings: Settings
    config: train.SftConfig
    folder: Path
    batch_size: int = 256
    grader: Any = None
    grader_name: str = ""
    report: Callable[[int, int, int, int], None] = lambda done, of, round, rounds: None
    _of_rounds: list[list[Attempt]] = field(default_factory=list)
    _taught: tuple[int, train.Batches | None] = (-1, None)

    @classmethod
    def of(
        cls,
        model: Any,
        start: Any,
        prompts: Prompts,
        rendered: Path,
        settings: Settings,
        config: train.SftConfig,
        folder: Path,
        **how: Any,
    ) -> "Rounds":
        """Build the rounds of a model from the folder of the rendered data it was fine-tuned on.

        Rows are as long as in the fine-tuning; with `prefer`, two answers fit into one.

        Args:
          model, start, prompts, settings, config, folder: as for the class.
          rendered: the folder of the rendered data.
          how: `batch_size`, `grader`, `grader_name` and `report` of the class.

        Raises:
          InputError: the folder is damaged.
        """
        manifest, data = read_manifest(rendered), load(rendered, "train")
        longest = manifest["max_length"]
        length = 2 * longest if settings.method == "prefer" else pack_full(data, longest).length
        return cls(
            model,
            start,
            load_tokenizer(rendered),
            prompts,
            data,
            manifest,
            length,
            settings,
            config,
            folder,
            **how,
        )

    def __post_init__(self) -> None:
        steps = self.settings.rounds * self.settings.round_steps
        if self.config.steps != steps:
            raise InputError(f"steps: {self.config.steps}, expected {steps}, those of all rounds")

    @property
    def rows(self) -> Rows:
        """The rows of the round under way."""
        return self._batches(max(self._taught[0], 0)).rows

    def __len__(self) -> int:
        return self.config.steps * self.config.accumulation

    def __getitem__(self, k: int) -> train.Batch:
        round, place = divmod(k, self.settings.round_steps * self.config.accumulation)
        self.attempts(round, begun=place > 0)
        return self._weighed(self._batches(round)[place])

    def rows_of(self, step: int) -> np.ndarray:
        """Return the indices in `rows` of the rows that a step takes, int [rows]."""
        round, within = divmod(step, self.settings.round_steps)
        return self._batches(round).rows_of(within)

    def identity(self) -> dict[str, Any]:
        """Return what determines the answers and what is learnt from them."""
        return {
            **{f"improve.{name}": value for name, value in self.settings.model_dump().items()},
            "max_length": self.length,
            "rows": files.digest([self.prompts.digest(), self.rendered["files"]]),
            "start": self._start_hash,
            "grader": [self.grader_name, hashes.of_grader(self.grader)],
        }

    @cached_property
    def _start_hash(self) -> str:
        return hashes.of_weights(self.start)

    @cached_property
    def _run(self) -> str:
        """The hash of all that the answers of a round depend on."""
        config = self.config.model_dump(exclude={"checkpoint_every", "eval_every", "keep"})
        return files.digest([self.identity(), config, hashes.of_shapes(self.model)])

    def figures(self, step: int) -> Mapping[str, float]:
        """Return the figures of the round that begins after `step` steps; empty if none does."""
        round, within = divmod(step, self.settings.round_steps)
        if within:
            return {}
        attempts = self.attempts(round)
        found = self._lessons(round)
        return {
            "round": round + 1,
            **figures(attempts, self.settings.credit),
            "lessons": len(found),
            "too_long": sum(one.length > self.rendered["max_length"] for one in attempts),
            "distance": self._distance(attempts),
        }

    def attempts(self, round: int, begun: bool = False) -> list[Attempt]:
        """Return the attempts of a round; let the model answer if they are not on the disk.

        Args:
          round: the number of the round, from 0.
          begun: True if the model has learned in this round, so that it would answer otherwise.

        Raises:
          InputError: the file of this round or an earlier one is damaged, or is missing though the
            model has learned from it.
        """
        while (known := len(self._of_rounds)) <= round:
            self._of_rounds.append(self._answered(known, is_now=known == round and not begun))
        return self._of_rounds[round]

    def predictions(self) -> list[list[Prediction]]:
        """Return the graded answers of each round, once the model has learned from all of them."""
        every = map(self.attempts, range(self.settings.rounds))
        return [[one.graded for one in attempts] for attempts in every]

    def _answered(self, round: int, is_now: bool) -> list[Attempt]:
        path, asked = answers.path_of(self.folder, round), self._asked(round)
        under_way = path.with_suffix(".kept.jsonl")
        lines = answers.read(path, self._run)
        if lines is None and not is_now:  # the model has learnt from them since
            raise InputError(f"{path}: is missing, remove {path.parent.parent} to start again")
        if lines is None:
            n = len(asked) * self.settings.group

            def told(done: int) -> None:
                self.report(done, n, round + 1, self.settings.rounds)

            kept = evaluate.Kept(under_way, files.digest([self._run, round]))
            how = self.rendered, self.settings, round, self.batch_size, kept, self.grader, told
            lines = answers.answer(self.model, self.tokenizer, asked, *how)
            answers.write(path, self._run, lines)
        under_way.unlink(missing_ok=True)
        written = self.rendered["template"], self.rendered["style"], self.rendered["system"]
        return answers.attempts_of(lines, asked, self.tokenizer, form(*written))

    def _asked(self, round: int) -> list[Asked]:
        """Draw the prompts of a round, by the pass rates of the rounds before."""
        passed: dict[str, float] = {}
        for earlier in self._of_rounds[:round]:
            passed |= rates(earlier, self.settings.credit)
        return self.prompts.draw(self.settings.prompts, self.settings.seed, round, passed)

    def _lessons(self, round: int) -> list[Lesson]:
        attempts = self.attempts(round)
        earlier = [one for before in self._of_rounds[:round] for one in before]
        longest = self.rendered["max_length"]
        return lessons(attempts, earlier, self.settings, self.tokenizer, longest)

    def _batches(self, round: int) -> train.Batches:
        if self._taught[0] != round or self._taught[1] is None:
            config, of = self.config, self.settings
            sizes = config.batch_size, config.accumulation, of.round_steps
            made = train.Batches(self._rows(round), *sizes, of.seed + round)
            self._taught = round, made
            return made
        return self._taught[1]

    def _rows(self, round: int) -> Rows:
        """Pack the lessons of a round, together with replayed examples.

        If there are neither, the rows hold a prompt of which nothing is trained.
        """
        of, found = self.settings, self._lessons(round)
        replay = replayed(self.replay, found, of.replay, [of.seed, round])
        together = 2 if of.method == "prefer" else 1
        examples = examples_of(found, replay.chosen(slice(len(replay) // together * together)), of)
        if not len(examples):
            examples = nothing(self.attempts(round)[0], of.method != "filter")
            together = 1
        least = Least(self.rendered["max_length"], self.length - 1)
        return pack(examples, self.length, least, together)

    def _weighed(self, batch: train.Batch) -> train.Batch:
        """Compute the weights that depend on how likely the model finds the tokens now."""
        of = self.settings
        if of.method == "filter" or not of.beta:
            return batch
        now, start = self._likelihood.of(batch)
        used = batch["places"] < self.length - 1
        if of.method == "prefer":
            weights = pair_weights(batch["weights"], np.where(used, now - start, 0.0), of.beta)
        else:
            weights = batch["weights"] + of.beta * np.where(used, pull(now, start), 0.0)
        return {**batch, "weights": weights.astype(np.float32)}

    @cached_property
    def _likelihood(self) -> Likelihood:
        return Likelihood(self.model, self.start, self.config.dtype)

    def _distance(self, attempts: list[Attempt]) -> float:
        """Return the distance from the model at the start, on the first attempts of a round."""
        longest = self.rendered["max_length"]
        found = [one for one in attempts if one.length <= longest][:_COMPARED]
        if not found:
            return 0.0
        some = [Lesson(one, np.ones(len(one.said))) for one in found]
        filtered = self.settings.model_copy(update={"method": "filter"})
        examples = examples_of(some, self.replay.chosen(slice(0)), filtered)
        rows = pack(examples, self.length, Least(longest, self.length - 1))
        return self._likelihood.distance(rows, self.config.batch_size)
