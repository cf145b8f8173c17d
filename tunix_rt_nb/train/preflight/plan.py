"""What a run will do on chips: how it trains and how it answers, for `preflight` to look at."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from tunix_rt_nb.common import InputError, checked
from tunix_rt_nb.models import chips
from tunix_rt_nb.train.config import SftConfig

if TYPE_CHECKING:
    from tunix_rt_nb.render import Rows


class Plan(BaseModel):
    """What is to run where: the model, how it is loaded, and the chips.

    Attributes:
      model: a name of the catalogue or a model's folder.
      topology: the chips and how they are arranged, as `v5e:2x4`: a Kaggle v5e-8.
      tp: of the chips, how many share the width of a layer; the others share rows and weights.
      weights: the type that weights are kept in.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    topology: str = "v5e:2x4"
    tp: int = Field(default=1, ge=1)
    weights: Literal["float32", "bfloat16"] = "float32"

    @classmethod
    def of(cls, **fields: Any) -> Self:
        """Checks the fields; `InputError` names the one that is wrong."""
        plan = checked(cls, fields)
        chips.of(plan.topology)
        if chips.count(plan.topology) % plan.tp:
            raise InputError(
                f"tp: {plan.tp} does not divide the {chips.count(plan.topology)} chips of"
                f" {plan.topology}"
            )
        return plan

    @property
    def shares(self) -> int:
        """How many ways the rows of a batch are shared."""
        return chips.count(self.topology) // self.tp


class Training(Plan):
    """A training run.

    Attributes:
      length: of a row, in tokens.
      longest: of the examples that are packed into rows, in tokens; 0: as long as a row.
      trained: the share of the tokens of a row that is trained.
      fill: the share of a row that holds tokens of examples.
      remat: what is computed anew in the backward pass.
      lora_rank: of the adapters, which alone are trained then; 0: all weights are trained.
      config: how it is trained.
      search: whether the largest batch that fits is looked for.

    Example:
      >>> plan = Training.of(model="gemma3-1b", config={"batch_size": 32, "dtype": "bfloat16"})
      >>> plan.length, plan.shares
      (2048, 8)
    """

    length: int = Field(default=2048, ge=2)
    longest: int = Field(default=0, ge=0)
    trained: float = Field(default=0.5, gt=0, le=1)
    fill: float = Field(default=0.95, gt=0, le=1)
    remat: Literal["none", "block", "decoder"] = "none"
    lora_rank: int = Field(default=0, ge=0)
    lora_alpha: float = Field(default=32.0, gt=0)
    lora_modules: str = ".*(_einsum|_proj)"
    config: SftConfig = SftConfig()
    search: bool = False

    @classmethod
    def of(cls, **fields: Any) -> Self:
        """Checks the fields; `InputError` names the one that is wrong."""
        plan = super().of(**fields)
        if plan.longest > plan.length:
            raise InputError(f"longest: {plan.longest} tokens do not fit a row of {plan.length}")
        if plan.config.batch_size % plan.shares:
            raise InputError(
                f"batch_size: {plan.config.batch_size} rows do not divide over {plan.shares} chips,"
                f" use a multiple of {plan.shares}"
            )
        return plan


class Generation(Plan):
    """Answers to a batch of prompts.

    Attributes:
      batch_size: prompts at a time.
      prompt: tokens of the longest prompt.
      new_tokens: room for an answer.
    """

    batch_size: int = Field(default=64, ge=1)
    prompt: int = Field(default=256, ge=1)
    new_tokens: int = Field(default=256, ge=1)


def of_rows(rows: "Rows", config: SftConfig, **more: Any) -> Training:
    """The training of rows that are there; `more` are other fields of a plan."""
    return Training.of(
        length=rows.length,
        longest=int(rows.examples.index["length"].max()),
        trained=rows.most_trained / rows.length,
        fill=rows.fill,
        config=config.model_dump(),
        **more,
    )


def of_run(
    parameters: Mapping[str, Mapping[str, Any]], topology: str, **more: Any
) -> tuple[Training, Generation]:
    """How a run trains and answers: its plans.

    Args:
      parameters: of each notebook, as `parameters.resolve` gives them.
      more: fields of the training that depend on the data.

    Example:
      >>> from tunix_rt_nb.runs import parameters
      >>> training, answers = of_run(parameters.resolve({"MODEL": "gemma3-1b"}), "v5e:1x1")
      >>> training.length, answers.batch_size
      (192, 80)
    """
    train, evaluate = parameters["train"], parameters["evaluate"]
    length = parameters["render"]["MAX_LENGTH"]
    shared = {"model": train["MODEL"], "topology": topology, "tp": train["TP"]}
    names = "remat", "lora_rank", "lora_alpha", "lora_modules"
    config = {name: train[name.upper()] for name in SftConfig.model_fields if name.upper() in train}
    training = Training.of(
        **shared,
        **{name: train[name.upper()] for name in names},
        length=length,
        config=config,
        **more,
    )
    new = min(evaluate["MAX_NEW_TOKENS"], length)
    answers = Generation.of(
        **shared, batch_size=evaluate["EVAL_BATCH_SIZE"], prompt=length, new_tokens=new
    )
    return training, answers
