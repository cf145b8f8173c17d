"""Ahead-of-time compilation for TPUs on a machine without any; `ask` runs it as a process.

It reads one request as JSON from standard input and answers in lines of JSON.
"""

import dataclasses
import json
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.experimental import topologies
from jax.interpreters import pxla
from jax.sharding import NamedSharding, PartitionSpec
from tunix.models.gemma import model as gemma2
from tunix.models.gemma3 import model as gemma3
from tunix.utils import sharding_utils

from tunix_rt_nb.common import InputError
from tunix_rt_nb.models import answers, architecture, attention, chips, devices_of, lora, shapes
from tunix_rt_nb.render import packing
from tunix_rt_nb.train import estimate, hlo, logits
from tunix_rt_nb.train.preflight.ask import Fit, largest
from tunix_rt_nb.train.preflight.plan import Generation, Plan, Training
from tunix_rt_nb.train.step import lower, placed, states, trainer


def _architecture(name: str) -> architecture.Config:
    """Return the architecture of a model, given by its name or its folder.

    Raises:
      InputError: the folder holds no model, or the model is unknown.
    """
    folder = Path(name)
    if (folder / "config.json").exists():
        return architecture.read(folder / "config.json")
    if folder.is_dir():
        raise InputError(f"{name}: holds no model (no config.json)")
    return architecture.named(name)


def mesh(topology: str, tp: int = 1) -> jax.sharding.Mesh:
    """Build the mesh of a topology's chips, arranged as `models.mesh` arranges real devices.

    Args:
      topology: the chips and their arrangement, such as `v5e:2x4`.
      tp: chips per tensor-parallel group.
    """
    described = topologies.get_topology_desc(topology, platform="tpu")
    shape = (len(described.devices) // tp, tp)
    return topologies.make_mesh(described, shape, ("fsdp", "tp"))


def base(plan: Plan, mesh: jax.sharding.Mesh) -> Any:
    """Build a plan's model as Tunix loads it, but with shapes and shardings instead of weights.

    Raises:
      InputError: the model is unknown.
    """
    config = _architecture(plan.model)
    of_gemma3 = isinstance(config, gemma3.ModelConfig)
    remat = plan.remat if isinstance(plan, Training) else "none"
    kinds = (gemma3 if of_gemma3 else gemma2).RematConfig
    config = dataclasses.replace(config, remat_config=kinds[remat.upper()])
    kind = gemma3.Gemma3 if of_gemma3 else gemma2.Gemma
    graph, state = nnx.split(nnx.eval_shape(lambda: kind(config, rngs=nnx.Rngs(0))))
    state = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, jnp.dtype(plan.weights)), state)
    return nnx.merge(graph, placed(state, mesh))


def _model(plan: Plan, mesh: jax.sharding.Mesh) -> Any:
    """Build a plan's model as a run uses it: ready for packed rows, with the plan's adapters."""
    model = base(plan, mesh)
    attention.takes_segments(model)
    if not isinstance(plan, Training) or not plan.lora_rank:
        return model
    graph, state = nnx.split(model)
    how = plan.lora_rank, plan.lora_alpha, plan.lora_modules
    adapted = nnx.eval_shape(lambda state: lora.apply(nnx.merge(graph, state), *how), state)
    graph, state = nnx.split(adapted)
    return nnx.merge(graph, placed(state, mesh))


def batch(plan: Training, rows: int) -> dict[str, jax.ShapeDtypeStruct]:
    """Return the shapes of a batch of `rows` rows, as `Batches` makes them."""
    blocks, size = packing.blocks(plan.length, plan.longest or plan.length)
    shapes = {
        "tokens": (rows, plan.length),
        "positions": (rows, plan.length),
        "segments": (rows, blocks, size),
        "places": (rows, -(-math.ceil(plan.trained * plan.length) // 16) * 16),
    }
    found = {name: jax.ShapeDtypeStruct(shape, jnp.int32) for name, shape in shapes.items()}
    return {**found, "weight": jax.ShapeDtypeStruct((rows,), jnp.float32)}


def fit(lowered: Any, parts: dict[str, int], rest: str, available: int) -> tuple[Fit, Any]:
    """Compile a program and find the memory and work that it takes on one chip.

    Args:
      lowered: the program, lowered for the chips.
      parts: name -> bytes per chip, for the arguments of the program whose size is known.
      rest: the name under which the bytes of all other arguments are returned.
      available: bytes that the chip has.

    Returns:
      The `Fit`; and the compiled program, or None in its place if the program does not fit.
    """
    try:
        compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        return Fit(*refused(str(error)), parts), None
    state, temporaries = estimate.memory(compiled)
    found = Fit(
        min(state + temporaries, available),  # the compiler did not refuse it, so it fits
        available,
        {**parts, rest: state - sum(parts.values()), "temporaries": temporaries},
        hlo.operations(compiled),
        compiled.cost_analysis()["bytes accessed"],
    )
    return found, compiled


_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def refused(message: str) -> tuple[int, int]:
    """Return two sizes in bytes from the compiler's refusal: the program's need, the chip's memory.

    Raises:
      RuntimeError: the message is about something else.

    Example:
      >>> refused("RESOURCE_EXHAUSTED: ... Used 16.40G of 15.75G hbm. Exceeded hbm capacity by ...")
      (17609365913, 16911433728)
    """
    size = r"([\d.]+)([KMGT])"
    said = rf"Used {size} of {size} hbm|\({size}\) exceeds available HBM \({size}\)"
    found = re.search(said, message)
    if not found:
        raise RuntimeError(message)
    needed, unit, there, unit_there = filter(None, found.groups())
    return int(float(needed) * _UNITS[unit]), int(float(there) * _UNITS[unit_there])


def size(state: Any) -> int:
    """Count the bytes of a state that lie on one device, from its shapes."""
    return sum(
        math.prod(x.sharding.shard_shape(x.shape)) * x.dtype.itemsize
        for x in jax.tree.leaves(state)
    )


def train(plan: Training, told: Callable[[str], None]) -> dict[str, Any]:
    """Compile the train step, also with other batch sizes if the plan searches for the largest.

    Args:
      told: called with a line after each batch size that was compiled.

    Returns:
      fit: the fields of a `Fit`.
      loss: bytes that the loss alone takes besides its arguments; only if the step fits.
      largest_batch: rows of the largest batch that fits; only if the plan searches.
      certain: whether a larger batch is known not to fit; only if the plan searches.
    """
    memory = chips.of(plan.topology).memory
    made = states(_model(plan, mesh(plan.topology, plan.tp)), lambda m: trainer(m, plan.config))
    parts = {"weights": size(made[1]), "optimizer": size(nnx.state(made[2], nnx.OptState))}
    tried: dict[int, Fit] = {}

    def needs(units: int) -> int:
        rows = units * plan.shares
        tried[units], _ = fit(lower(*made, batch(plan, rows)), parts, "batch", memory)
        told(f"{rows} rows a batch {_verdict(tried[units])}")
        return tried[units].needed

    units = plan.config.batch_size // plan.shares
    answer: dict[str, Any] = {}
    if plan.search:
        most, certain = largest(needs, memory, sum(parts.values()), units)
        answer = {"largest_batch": most * plan.shares, "certain": certain}
    else:
        needs(units)
    found = tried[units]
    if found.fits:
        # The loss loops over chunks, and the compiler counts one of them only: add the others.
        alone, chunks = loss_alone(plan)
        answer["loss"] = alone.parts["temporaries"]
        found = found._replace(bytes=found.bytes + (chunks - 1) * alone.bytes)
    return {"fit": found._asdict(), **answer}


def _verdict(found: Fit) -> str:
    told = f"{found.needed / 2**30:.2f} of {found.available / 2**30:.2f} GiB a chip"
    return f"fit: {told}" if found.fits else f"do not fit: {told}"


def loss_alone(plan: Training) -> tuple[Fit, int]:
    """Compile the loss by itself with its gradients, and find the memory and work that it takes.

    Returns:
      The `Fit` of the loss. Its `bytes`, the memory traffic, count a single chunk of logits.
      The number of chunks.
    """
    place = mesh(plan.topology, plan.tp)
    config = _architecture(plan.model)
    rows, places = batch(plan, plan.config.batch_size)["places"].shape
    embedding = config.num_embed, config.embed_dim

    def shape(cut: tuple[str | None, ...], dtype: str, *sizes: int) -> jax.ShapeDtypeStruct:
        sharding = NamedSharding(place, PartitionSpec(*cut))
        return jax.ShapeDtypeStruct(sizes, jnp.dtype(dtype), sharding=sharding)

    arguments = (
        shape(("fsdp",), plan.config.dtype, rows, places, config.embed_dim),
        shape(("tp", "fsdp"), plan.config.dtype, *embedding),
        shape(("fsdp",), "int32", rows, places),
    )
    wanted = 0 if plan.lora_rank else (0, 1)
    with jax.set_mesh(place), place:
        step = jax.jit(jax.value_and_grad(logits.cross_entropy, wanted)).lower(*arguments)
        chunks, _ = logits.in_chunks(rows, places, config.num_embed)
    found, _ = fit(step, {}, "state", chips.of(plan.topology).memory)
    return found, chunks


def generate(plan: Generation, told: Callable[[str], None]) -> dict[str, Any]:
    """Compile prefill and decode as `sampling.generate` runs them.

    The KV cache is sized for the longest prompts and answers.

    Args:
      told: called with a line after each program.

    Returns:
      prefill: the fields of its `Fit`.
      decode: the fields of its `Fit`; only if prefill fits.
    """
    model = _model(plan, mesh(plan.topology, plan.tp))
    memory = chips.of(plan.topology).memory
    split = nnx.split(model)
    parts = {"weights": size(split[1])}
    shape = plan.batch_size, plan.prompt
    with devices_of(model) as place:
        cut = PartitionSpec("fsdp" if plan.batch_size % plan.shares == 0 else None)
        ids = jax.ShapeDtypeStruct(shape, jnp.int32, sharding=NamedSharding(place, cut))
        done = jax.ShapeDtypeStruct(shape[:1], bool)
        most, room = plan.new_tokens, shapes.limit_of(plan.prompt, plan.new_tokens)
        keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), plan.batch_size))
        step = answers.read.lower(split, ids, done, keys, room=room, most=most)
        reading, compiled = fit(step, parts, "prompts", memory)
        told(f"reading {plan.batch_size} prompts: {_verdict(reading)}")
        if compiled is None:
            return {"prefill": reading._asdict()}
        state = jax.tree.map(
            lambda x, place: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place),
            step.out_info,
            compiled.output_shardings,
        )
        ends = jax.ShapeDtypeStruct((1,), jnp.int32)
        writing, _ = fit(answers.write.lower(split, state, ends, 0, 0.0), parts, "cache", memory)
        told(f"writing {plan.batch_size} answers: {_verdict(writing)}")
    return {"prefill": reading._asdict(), "decode": writing._asdict()}


def _constrained(x: jax.Array, axes: tuple[str | None, ...], eager: bool = False) -> jax.Array:
    mesh = pxla.thread_resources.env.physical_mesh
    if mesh.empty:
        return x
    return jax.lax.with_sharding_constraint(x, NamedSharding(mesh, PartitionSpec(*axes)))


def constrain() -> None:
    """Make Tunix shard activations over the chips as it does on a TPU.

    If the first device of the process is a CPU, as here, Tunix leaves the sharding of activations
    to the compiler.
    """
    sharding_utils.shard = _constrained


def _say(**answer: Any) -> None:
    print(json.dumps(answer), flush=True)


def main() -> None:
    """Read one request from standard input and print its answer."""
    request = json.load(sys.stdin)
    constrain()

    def told(line: str) -> None:
        _say(told=line)

    try:
        if request["what"] == "train":
            _say(**train(Training.of(**request["plan"]), told))
        else:
            _say(**generate(Generation.of(**request["plan"]), told))
    except InputError as error:
        _say(wrong=str(error))


if __name__ == "__main__":
    main()
