"""The train step: Tunix's, with our loss and optimiser, to run or only to compile and inspect."""

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
    """Tunix's trainer, except that it reports a step before it saves the step's checkpoint.

    Attributes:
      sound: for each step, by number, one mask per batch: bool [rows], True for a sound row, whose
        hidden states are finite. Steps already reported are removed.
    """

    _jitted_train_step_fn: Any
    _jitted_eval_step_fn: Any

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.sound: dict[int, list[jax.Array]] = {}

    def jit_train_and_eval_step(
        self, skip_jit: bool = False, cache_nnx_graph: bool = False
    ) -> tuple[Any, Any]:
        """Return the jitted train and eval steps, as Tunix does, but donate the weights too.

        Tunix would keep the old weights in memory until it has the new ones.
        """
        if self._jitted_train_step_fn is None and not skip_jit:
            # Shard the optimiser's state first, or JAX would compile the step a second time.
            self._shard_optimizer(mesh_of(self.model))
            step = nnx.cached_partial(self.jitted(), self.model, self.optimizer)
            self._jitted_train_step_fn = partial(step)  # Tunix reads `func` of this partial
            self._jitted_eval_step_fn = nnx.jit(self.create_eval_step_fn())
        return super().jit_train_and_eval_step(skip_jit, cache_nnx_graph)

    def jitted(self) -> Any:
        """Return the jitted train step. It donates the weights and the optimiser's state."""
        # Donated memory is reused, so the device never holds the old and the new weights at once.
        return nnx.jit(self.create_train_step_fn(), donate_argnames=("model", "optimizer"))

    def _post_process_train_step(self, aux: jax.Array) -> None:
        """Record what Tunix does not: the batch's sound rows and the gradient norm of the step.

        A row is sound if its hidden states are finite. Tunix itself would record the mean gradient
        norm of the step's batches. Tunix calls this while the device still computes the batch, so
        do not wait for values of the batch.

        Args:
          aux: the batch's sound rows, bool [rows].
        """
        # Tunix counts a step only after its last batch, so this step's number is one higher.
        self.sound.setdefault(self.train_steps + 1, []).append(aux)
        # Copy the norm, because the optimiser's state is donated to the next batch.
        norm = jnp.copy(gradient_norm(self.optimizer.opt_state))
        self._buffered_train_metrics.additional_metrics["grad_norm"] = [norm], np.mean

    def _write_train_metrics(self) -> None:
        """Report the previous step; report this one too if its checkpoint is saved next.

        Without this, Tunix would first save this step's checkpoint, and report this step only after
        the next step. A run killed in between would resume after this step and never report it.
        """
        super()._write_train_metrics()
        every = self.config.checkpointing_options.save_decision_policy.interval
        if self.train_steps % every == 0:
            # Keep the order of lines: a step's held-out loss is written before its training loss.
            self.training_hooks.look(self)
            super()._write_train_metrics()


def trainer(model: nnx.Module, config: SftConfig, checkpoints: Path | None = None) -> Trainer:
    """Build the trainer of a model. It trains only the adapters if there are any, else all weights.

    Args:
      checkpoints: the folder for checkpoints; the latest one in it is restored at once. None saves
        and restores none.
    """
    # Tunix restores weights, optimiser and step count here. The count is all that a resume needs
    # to find its place: it determines the next batch.
    made = Trainer(
        model,
        optimizer(config),
        peft_trainer.TrainingConfig(
            eval_every_n_steps=config.steps,  # unused: `Metrics.look` weighs all tokens the same
            gradient_accumulation_steps=config.accumulation if config.accumulation > 1 else None,
            max_steps=None,  # the batches end anyway; a number makes Tunix draw a progress bar
            checkpoint_root_directory=str(checkpoints.absolute()) if checkpoints else None,
            checkpointing_options=ocp.CheckpointManagerOptions(
                save_decision_policy=FixedIntervalPolicy(config.checkpoint_every),
                max_to_keep=2,  # if the last one is damaged, the one before it can serve
                cleanup_tmp_directories=True,  # a killed run may leave an incomplete checkpoint
            ),
        ),
    )
    made.with_loss_fn(lambda model, batch: loss.share(model, batch, config.dtype), has_aux=True)
    made.with_gen_model_input_fn(lambda batch: {"batch": batch})
    return made


def lowered(model: nnx.Module, batch: Any, config: SftConfig) -> jax.stages.Lowered:
    """Lower a model's train step for batches shaped like `batch`, ready to compile; run nothing."""
    return lower(*states(model, lambda model: trainer(model, config)), batch)


def states(
    model: nnx.Module, make: Callable[[nnx.Module], Trainer]
) -> tuple[Trainer, nnx.Module, nnx.Optimizer]:
    """Build a model's trainer; return it, and the model and optimiser as shapes with shardings.

    Args:
      make: builds the trainer of a model.
    """
    graph, state = nnx.split(model)
    made: list[Trainer] = []

    def build(state: Any) -> Any:
        made.append(make(nnx.merge(graph, state)))
        return nnx.split((made[0].model, made[0].optimizer))

    with devices_of(model) as mesh:
        # Build the trainer from shapes alone, so that the optimiser's state takes no memory.
        graph, state = jax.eval_shape(build, state)
        return made[0], *nnx.merge(graph, placed(state, mesh))


def lower(
    made: Trainer, model: nnx.Module, optimizer: nnx.Optimizer, batch: Any
) -> jax.stages.Lowered:
    """Lower a trainer's step as the trainer itself would compile it.

    Args:
      made: the trainer, from `states`.
      model: its model as shapes, from `states`.
      optimizer: its optimiser as shapes, from `states`.
      batch: arrays or shapes of a batch.
    """
    with devices_of(model) as mesh:
        step = made.jitted()
        # Batches come sharded by rows, so lower the step for arrays with that sharding.
        rows = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("fsdp"))
        shapes = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=rows), batch
        )
        return step.lower(model, optimizer, shapes)


def placed(state: Any, mesh: jax.sharding.Mesh) -> Any:
    """Return the shapes of a state, each with the sharding that its array will have on the mesh."""

    def on(x: Any) -> Any:
        places = jax.tree.leaves(nnx.get_named_sharding(x, mesh))  # one, even if `x` is empty
        return jax.tree.map(
            lambda held: jax.ShapeDtypeStruct(held.shape, held.dtype, sharding=places[0]), x
        )

    return jax.tree.map(on, state, is_leaf=lambda x: isinstance(x, nnx.Variable))
