"""The settings of learning from checked attempts, with every value checked."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tunix_rt_nb.common import InputError, checked
from tunix_rt_nb.evaluate import Scorecard
from tunix_rt_nb.train import SftConfig


class Settings(BaseModel):
    """Settings of the rounds in which a model answers, is checked and learns from what held.

    Attributes:
      method: how the model learns from its answers. `filter`: like from any traces, but only from
        answers that are right. `reward`: an answer becomes likelier if it is better than the mean
        of its group, else less likely. `prefer`: of a right and a wrong answer to the same prompt,
        the right one becomes likelier than the other.
      credit: when an answer is right, and which tokens are blamed if it is wrong. `answer`: the
        final answer alone counts. `gated`: the final answer counts only if no step is wrong.
        `first_wrong`: as `gated`, but only the first wrong step of a wrong answer is blamed.
      rounds: the number of rounds.
      prompts: prompts per round.
      group: answers to each prompt.
      round_steps: optimiser steps per round.
      replay: the share of trained tokens that come from the data of the fine-tuning, against
        forgetting.
      beta: how strongly the model is held to the model at the start; 0: not at all. `filter` does
        not use it, `prefer` needs it.
      answer_temperature: the temperature at which answers are sampled.
      redraw: `task` or `equations`: check each step of an answer while it is written, and draw
        a wrong one again; empty: not. More answers are right then, in the model's own words. Only
        `filter` may: the others need answers just as the model writes them.
      max_new_tokens: the most tokens of an answer.
      seed: decides the prompts, the sampled tokens and the order of the rows.

    Example:
      >>> Settings.of(method="reward", group=4).credit
      'gated'
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    method: Literal["filter", "reward", "prefer"] = "filter"
    credit: Literal["answer", "gated", "first_wrong"] = "gated"
    rounds: int = Field(default=3, ge=1, le=1_000)
    prompts: int = Field(default=64, ge=1, le=100_000)
    group: int = Field(default=4, ge=2, le=1_024)
    round_steps: int = Field(default=30, ge=1)
    replay: float = Field(default=0.25, ge=0, lt=1)
    beta: float = Field(default=0.0, ge=0, le=10)
    answer_temperature: float = Field(default=0.7, gt=0, le=10)
    redraw: Literal["", "equations", "task"] = ""
    max_new_tokens: int = Field(default=128, ge=1)
    seed: int = Field(default=0, ge=0, lt=2**31)

    @model_validator(mode="after")
    def _fits(self) -> "Settings":
        if self.method == "prefer" and not self.beta:
            raise ValueError("beta: is 0, but `prefer` needs one above 0, such as 0.1")
        if self.method != "filter" and self.redraw:
            raise ValueError(f"redraw: is {self.redraw}, expected none with a method but filter")
        return self

    @classmethod
    def of(cls, **fields: Any) -> "Settings":
        """Check the fields and build the settings; `InputError` names a field out of range."""
        return checked(cls, fields)

    @classmethod
    def of_parameters(cls, parameters: Mapping[str, Any]) -> "Settings":
        """Build the settings from a notebook's parameters: `rounds` from `ROUNDS`, and so on."""
        names = [name for name in cls.model_fields if name.upper() in parameters]
        with _in_capitals():
            return cls.of(**{name: parameters[name.upper()] for name in names})

    def training(self, parameters: Mapping[str, Any], usual_rate: float) -> SftConfig:
        """Build the training configuration of all rounds from a notebook's parameters.

        The held-out loss is computed at the end of each round, and a checkpoint is saved at least
        as often.

        Args:
          parameters: the parameters by name, in capitals. An `IMPROVE_RATE` of 0 stands for a
            quarter of `usual_rate`.
          usual_rate: the learning rate of the fine-tuning.

        Example:
          >>> Settings.of(rounds=2, round_steps=5).training({}, 0.004).steps
          10
        """
        names = [name for name in SftConfig.model_fields if name.upper() in parameters]
        fields = {name: parameters[name.upper()] for name in names} | {
            "steps": self.rounds * self.round_steps,
            "learning_rate": parameters.get("IMPROVE_RATE") or usual_rate / 4,
            "warmup_steps": min(20, self.round_steps // 2),
            "eval_every": self.round_steps,
        }
        with _in_capitals(learning_rate="IMPROVE_RATE"):
            config = SftConfig.of(**fields)
        every = min(config.checkpoint_every, self.round_steps)
        return config.model_copy(update={"checkpoint_every": every})


@contextmanager
def _in_capitals(**names: str) -> Iterator[None]:
    """Name the parameter in an `InputError` of a `with` block that names a field.

    Args:
      names: field -> parameter, for parameters that are not called like their field.
    """
    try:
        yield
    except InputError as error:
        field, _, told = str(error).removeprefix("Settings: ").partition(":")
        raise InputError(f"{names.get(field, field.upper())}:{told}") from None


def check_ready(card: Scorecard) -> None:
    """Check that a model writes in the form that it is to be rewarded for.

    Args:
      card: the scorecard of the fine-tuned model.

    Raises:
      InputError: not one of its answers is in the style, so no attempt could be right.
    """
    if card["strict_format"] == 0:
        raise InputError(
            f"model: none of {card['n_scored']} answers keeps to the style {card['style']}, so no"
            " attempt would be right: fine-tune it on some traces first"
        )
