"""Plans of a run on chips, for `preflight` to check: how it trains and how it answers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from tunix_rt_nb.common import InputError, checked
from tunix_rt_nb.models import chips
from tunix_rt_nb.train.config import SftConfig, check_shares

if TYPE_CHECKING:
    from tunix_rt_nb.render import Rows


class Plan(BaseModel):
    """A model, how it is loaded, and the chips that it runs on.

    Attributes:
      model: a name in the catalog, or a model's folder.
      topology: the chips and their arrangement, such as `v5e:2x4`, a Kaggle v5e-8.
      tp: chips per tensor-parallel group. The chips of a group share the width of each layer. The
        rows of a batch and the weights are split over the groups, as in FSDP.
      weights: the type that weights are stored in.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    topology: str = "v5e:2x4"
    tp: int = Field(default=1, ge=1)
    weights: Literal["float32", "bfloat16"] = "float32"

    @classmethod
    def of(cls, **fields: Any) -> Self:
        """Check the fields and build the plan; `InputError` names a field that is wrong."""
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
        """The number of tensor-parallel groups; the rows of a batch are split over the groups."""
        return chips.count(self.topology) // self.tp


class Training(Plan):
    """A plan of a training run.

    Attributes:
      length: tokens per row.
      longest: tokens of the longest example that is packed into rows; 0 means as long as a row.
      trained: the share of a row's tokens that are trained.
      fill: the share of a row that holds tokens of examples.
      remat: the parts of the model that the backward pass computes again.
      lora_rank: the rank of the adapters, if only adapters are trained; 0 trains all weights.
      lora_alpha: the scale of the adapters.
      lora_modules: a regular expression for the paths of the matrices that get adapters.
      config: the training configuration.
      search: True to search for the largest batch that fits.

    Example:
      >>> plan = Training.of(model="gemma3-1b", config={"batch_size": 32, "dtype": "bfloat16"})
      >>> plan.length, plan.config.batch_size
      (2048, 32)
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
        """Check the fields and build the plan; `InputError` names a field that is wrong."""
        plan = super().of(**fields)
        if plan.longest > plan.length:
            raise InputError(
                f"longest: {plan.longest} tokens do not fit into a row of {plan.length}"
            )
        check_shares(plan.config.batch_size, plan.shares, plan.tp, "chips")
        return plan


class Generation(Plan):
    """A plan of answering a batch of prompts.

    Attributes:
      batch_size: prompts that are answered at a time.
      prompt: tokens of the longest prompt.
      new_tokens: the most tokens of an answer.
    """

    batch_size: int = Field(default=64, ge=1)
    prompt: int = Field(default=256, ge=1)
    new_tokens: int = Field(default=256, ge=1)


def of_rows(rows: "Rows", config: SftConfig, **more: Any) -> Training:
    """Plan the training on given rows; `more` are other fields of the plan."""
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
    """Plan how a run trains and how it answers.

    Args:
      parameters: the parameters of each notebook, as `parameters.resolve` returns them.
      topology: the chips and their arrangement, as in `Plan`.
      more: fields of the training plan that depend on the data, such as `fill`.

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
    config = SftConfig.of_parameters({**train, "EPOCHS": 0}, rows=0).model_dump()
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
