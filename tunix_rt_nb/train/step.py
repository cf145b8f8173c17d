"""The train step: Tunix's, with our loss and optimiser; to run, or to compile and look at."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from flax import nnx
from orbax.checkpoint.checkpoint_managers import FixedIntervalPolicy
from tunix.sft import peft_trainer

from tunix_rt_nb.models import devices_of, mesh_of
from tunix_rt_nb.train import loss
from tunix_rt_nb.train.config import SftConfig
from tunix_rt_nb.train.optimizer import gradient_norm, optimizer


class Trainer(peft_trainer.PeftTrainer):
    """Tunix's trainer, that tells of a step before it makes a checkpoint of it.

    Attributes:
      sound: which rows of a step came out as numbers, a mask for each of its batches, by the step;
        of those that are not told of yet.
    """

    _jitted_train_step_fn: Any
    _jitted_eval_step_fn: Any

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.sound: dict[int, list[jax.Array]] = {}

    def jit_train_and_eval_step(
        self, skip_jit: bool = False, cache_nnx_graph: bool = False
    ) -> tuple[Any, Any]:
        """As Tunix's, which keeps the old weights in memory until it has the new ones."""
        if self._jitted_train_step_fn is None and not skip_jit:
            self._shard_optimizer(mesh_of(self.model))
            step = nnx.cached_partial(self.jitted(), self.model, self.optimizer)
            self._jitted_train_step_fn = partial(step)  # in which Tunix looks for its `func`
            self._jitted_eval_step_fn = nnx.jit(self.create_eval_step_fn())
        return super().jit_train_and_eval_step(skip_jit, cache_nnx_graph)

    def jitted(self) -> Any:
        """The step as it is compiled; what it is given, weights too, is given up."""
        return nnx.jit(self.create_train_step_fn(), donate_argnames=("model", "optimizer"))

    def _post_process_train_step(self, aux: jax.Array) -> None:
        """Notes of a batch, while it is under way, what Tunix does not: the norm is of the step."""
        self.sound.setdefault(self.train_steps + 1, []).append(aux)
        norm = jnp.copy(gradient_norm(self.optimizer.opt_state))  # the next step takes its memory
        self._buffered_train_metrics.additional_metrics["grad_norm"] = [norm], np.mean

    def _write_train_metrics(self) -> None:
        """Tells of this step too where a checkpoint of it comes next; Tunix waits for another one.

        A run that is killed there and goes on would never tell of it.
        """
        super()._write_train_metrics()
        every = self.config.checkpointing_options.save_decision_policy.interval
        if self.train_steps % every == 0:
            self.training_hooks.look(self)
            super()._write_train_metrics()


def trainer(model: nnx.Module, config: SftConfig, checkpoints: Path | None = None) -> Trainer:
    """What trains a model: all of it, or its adapters where it has any.

    Args:
      checkpoints: where they go; the last one there is restored at once.
    """
    made = Trainer(
        model,
        optimizer(config),
        peft_trainer.TrainingConfig(
            eval_every_n_steps=config.steps,  # unused: our own counts every token the same
            gradient_accumulation_steps=config.accumulation if config.accumulation > 1 else None,
            max_steps=None,  # the feed ends by itself; with a number Tunix draws its own bar
            checkpoint_root_directory=str(checkpoints.absolute()) if checkpoints else None,
            checkpointing_options=ocp.CheckpointManagerOptions(
                save_decision_policy=FixedIntervalPolicy(config.checkpoint_every),
                max_to_keep=2,
                cleanup_tmp_directories=True,  # what a kill left of one that was being written
            ),
        ),
    )
    made.with_loss_fn(lambda model, batch: loss.share(model, batch, config.dtype), has_aux=True)
    made.with_gen_model_input_fn(lambda batch: {"batch": batch})
    return made


def lowered(model: nnx.Module, batch: Any, config: SftConfig) -> jax.stages.Lowered:
    """The step for a batch of this shape, ready to be compiled; nothing is computed or stored."""
    return lower(*states(model, lambda model: trainer(model, config)), batch)


def states(
    model: nnx.Module, make: Callable[[nnx.Module], Trainer]
) -> tuple[Trainer, nnx.Module, nnx.Optimizer]:
    """What trains a model, and the shapes of the model and its optimiser, each on its devices."""
    graph, state = nnx.split(model)
    made: list[Trainer] = []

    def build(state: Any) -> Any:
        made.append(make(nnx.merge(graph, state)))
        return nnx.split((made[0].model, made[0].optimizer))

    with devices_of(model) as mesh:
        graph, state = jax.eval_shape(build, state)
        return made[0], *nnx.merge(graph, placed(state, mesh))


def lower(
    made: Trainer, model: nnx.Module, optimizer: nnx.Optimizer, batch: Any
) -> jax.stages.Lowered:
    """The step of a trainer, as the trainer itself would compile it, of what `states` returns."""
    with devices_of(model) as mesh:
        step = made.jitted()
        rows = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("fsdp"))
        shapes = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=rows), batch
        )
        return step.lower(model, optimizer, shapes)


def placed(state: Any, mesh: jax.sharding.Mesh) -> Any:
    """The shapes of a state, each on the devices that its array will be on."""

    def on(x: Any) -> Any:
        places = jax.tree.leaves(nnx.get_named_sharding(x, mesh))  # one, also of what holds nothing
        return jax.tree.map(
            lambda held: jax.ShapeDtypeStruct(held.shape, held.dtype, sharding=places[0]), x
        )

    return jax.tree.map(on, state, is_leaf=lambda x: isinstance(x, nnx.Variable))
