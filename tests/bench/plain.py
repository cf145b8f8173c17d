"""Plain Tunix, as its own command line trains: an example a row, padded, with the default loss.

Source: `tunix/cli/peft_main.py` and `tunix/sft/peft_trainer.py` of google-tunix 0.1.7.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import optax
from flax import nnx
from tunix.sft import peft_trainer, utils

from tunix_rt_nb.models.devices import mesh
from tunix_rt_nb.render.examples import Examples
from tunix_rt_nb.render.packing import Rows
from tunix_rt_nb.train.batches import Batches


def batches(
    examples: Examples, length: int, batch_size: int, steps: int, seed: int
) -> list[peft_trainer.TrainingInput]:
    """The batches of a run, made before it begins; every epoch in another order."""
    each = np.arange(len(examples))
    rows = Rows(examples, length, order=each, ends=each + 1)
    feed = Batches(rows, batch_size, 1, steps, seed)
    arrays = (rows.arrays(feed.rows_of(step)) for step in range(steps))
    return [
        peft_trainer.TrainingInput(input_tokens=a["tokens"], input_mask=a["trained"])
        for a in arrays
    ]


class Trainer(peft_trainer.PeftTrainer):
    """Tunix's, whose step can be compiled without being run."""

    def jitted(self) -> Any:
        """The step as Tunix compiles it."""
        return nnx.jit(self.create_train_step_fn(), donate_argnames=("optimizer",))


def train(
    model: nnx.Module,
    inputs: list[peft_trainer.TrainingInput],
    optimizer: optax.GradientTransformation,
    tick: Callable[[], None] = lambda: None,
) -> None:
    """Trains the model in place, without checkpoints or logs; `tick` is called before each step."""

    def timed() -> Iterator[peft_trainer.TrainingInput]:
        for batch in inputs:
            tick()
            yield batch

    with mesh():
        config = peft_trainer.TrainingConfig(eval_every_n_steps=len(inputs))
        trainer = peft_trainer.PeftTrainer(model, optimizer, config)
        trainer.with_gen_model_input_fn(model_input).train(timed())


def model_input(batch: peft_trainer.TrainingInput) -> dict[str, Any]:
    """Return what Tunix's model takes for a batch."""
    there = batch.input_tokens != 0
    return {
        "input_tokens": batch.input_tokens,
        "input_mask": batch.input_mask,
        "positions": utils.build_positions_from_mask(there),
        "attention_mask": utils.make_causal_attn_mask(there),
    }
