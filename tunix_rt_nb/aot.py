"""Compiles ahead of time for TPUs that are not there; `preflight` runs this as a process.

Reads what is asked as JSON from standard input and answers in lines of JSON.
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
import numpy as np
from flax import nnx
from jax.experimental import topologies
from jax.interpreters import pxla
from jax.sharding import NamedSharding, PartitionSpec
from tunix.models.gemma3 import model as gemma3
from tunix.utils import sharding_utils

from tunix_rt_nb import attention, chips, estimate, files, lora, loss, models, packing, sampling
from tunix_rt_nb.errors import InputError, unknown
from tunix_rt_nb.preflight import Fit, Generation, Plan, Training, largest
from tunix_rt_nb.step import lower, placed, states, trainer

_ARCHITECTURES: dict[str, Callable[[], gemma3.ModelConfig]] = {
    "gemma3-270m": gemma3.ModelConfig.gemma3_270m,
    "gemma3-270m-it": gemma3.ModelConfig.gemma3_270m_it,
    "gemma3-1b": gemma3.ModelConfig.gemma3_1b_pt,
    "gemma3-1b-it": gemma3.ModelConfig.gemma3_1b_it,
    "gemma3-4b": gemma3.ModelConfig.gemma3_4b_pt,
}


def _known(name: str) -> gemma3.ModelConfig:
    """Of a model by its name, or of a folder."""
    if name in _ARCHITECTURES:
        return _ARCHITECTURES[name]()
    config = Path(name) / "config.json"
    if config.exists():
        return models._from_hugging_face(files.read_json(config))
    if Path(name).is_dir():
        raise InputError(f"{name}: holds no model (no config.json)")
    raise unknown("model", name, _ARCHITECTURES)


def mesh(topology: str, tp: int = 1) -> jax.sharding.Mesh:
    """The chips of a topology, arranged as `models.mesh` arranges those that are there."""
    described = topologies.get_topology_desc(topology, platform="tpu")
    shape = (len(described.devices) // tp, tp)
    return topologies.make_mesh(described, shape, ("fsdp", "tp"))


def abstract(build: Callable[[], nnx.Module], mesh: jax.sharding.Mesh) -> Any:
    """A model of shapes, each on the devices that its weights will be on."""
    graph, state = nnx.split(nnx.eval_shape(build))
    return nnx.merge(graph, placed(state, mesh))


def architecture(plan: Plan) -> gemma3.ModelConfig:
    """The model of a plan, as `models.load` configures it.

    Raises:
      InputError: it is unknown.
    """
    remat = plan.remat if isinstance(plan, Training) else "none"
    return dataclasses.replace(
        _known(plan.model),
        param_dtype=jnp.dtype(plan.weights),
        remat_config=gemma3.RematConfig[remat.upper()],
    )


def _model(plan: Plan, mesh: jax.sharding.Mesh) -> Any:
    config = architecture(plan)

    def build() -> nnx.Module:
        model = gemma3.Gemma3(config, rngs=nnx.Rngs(0))
        attention.takes_segments(model)
        if isinstance(plan, Training) and plan.lora_rank:
            return lora.apply(model, plan.lora_rank, plan.lora_alpha, plan.lora_modules)
        return model

    return abstract(build, mesh)


def batch(plan: Training, rows: int) -> dict[str, jax.ShapeDtypeStruct]:
    """The shapes of a batch of so many rows, as `feed` makes them."""
    blocks, size = packing.blocks(plan.length, plan.longest or plan.length)
    shapes = {
        "tokens": (rows, plan.length),
        "positions": (rows, plan.length),
        "segments": (rows, blocks, size),
        "places": (rows, -(-math.ceil(plan.trained * plan.length) // 16) * 16),
    }
    found = {name: jax.ShapeDtypeStruct(shape, jnp.int32) for name, shape in shapes.items()}
    return {**found, "weight": jax.ShapeDtypeStruct((rows,), jnp.float32)}


def fit(lowered: jax.stages.Lowered, parts: dict[str, int], rest: str, available: int) -> Fit:
    """Compiles a program and reads what it takes of a chip.

    Args:
      parts: bytes a chip of those of its arguments that are known.
      rest: the name of the others.
    """
    try:
        compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        needed, available = refused(str(error))
        return Fit(needed, available, parts)
    state, temporaries = estimate.memory(compiled)
    cost = compiled.cost_analysis()
    return Fit(
        min(state + temporaries, available),  # it was not refused
        available,
        {**parts, rest: state - sum(parts.values()), "temporaries": temporaries},
        cost["flops"],
        cost["bytes accessed"],
    )


_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def refused(message: str) -> tuple[int, int]:
    """What a program needs and what there is, in bytes, as the compiler says when it refuses it.

    Raises:
      RuntimeError: the message is about something else.

    Example:
      >>> refused("RESOURCE_EXHAUSTED: ... Used 16.40G of 15.75G hbm. Exceeded hbm capacity by ...")
      (17609365914, 16911433728)
    """
    found = re.search(r"Used ([\d.]+)([KMGT]) of ([\d.]+)([KMGT]) hbm", message)
    if not found:
        raise RuntimeError(message)
    needed, unit, there, unit_there = found.groups()
    return int(float(needed) * _UNITS[unit]), int(float(there) * _UNITS[unit_there])


def size(state: Any) -> int:
    """Bytes of the shapes of a state that lie on one device."""
    return sum(
        math.prod(x.sharding.shard_shape(x.shape)) * x.dtype.itemsize
        for x in jax.tree.leaves(state)
    )


def train(plan: Training, told: Callable[[str], None]) -> dict[str, Any]:
    """Compiles the train step, with other batches too if the largest is searched for."""
    memory = chips.of(plan.topology).memory
    made = states(_model(plan, mesh(plan.topology, plan.tp)), lambda m: trainer(m, plan.config))
    parts = {"weights": size(made[1]), "optimizer": size(nnx.state(made[2], nnx.OptState))}
    tried: dict[int, Fit] = {}

    def needs(units: int) -> int:
        rows = units * plan.shares
        tried[units] = fit(lower(*made, batch(plan, rows)), parts, "batch", memory)
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
        alone, chunks = loss_alone(plan)
        answer["loss"] = alone.parts["temporaries"]
        # The compiler counts the body of a loop once, however often it is run.
        found = found._replace(
            flops=found.flops + (chunks - 1) * alone.flops,
            bytes=found.bytes + (chunks - 1) * alone.bytes,
        )
    return {"fit": found._asdict(), **answer}


def _verdict(found: Fit) -> str:
    told = f"{found.needed / 2**30:.2f} of {found.available / 2**30:.2f} GiB a chip"
    return f"fit: {told}" if found.fits else f"do not fit: {told}"


def loss_alone(plan: Training) -> tuple[Fit, int]:
    """What a chunk of the loss takes, compiled by itself with its gradients; how many there are."""
    place = mesh(plan.topology, plan.tp)
    config = architecture(plan)
    rows, places = batch(plan, plan.config.batch_size)["places"].shape

    def shape(cut: tuple[str | None, ...], dtype: str, *sizes: int) -> jax.ShapeDtypeStruct:
        sharding = NamedSharding(place, PartitionSpec(*cut))
        return jax.ShapeDtypeStruct(sizes, jnp.dtype(dtype), sharding=sharding)

    dtype = plan.config.dtype
    arguments = (
        shape(("fsdp",), dtype, rows, places, config.embed_dim),
        shape(("tp", "fsdp"), dtype, config.num_embed, config.embed_dim),
        shape(("fsdp",), "int32", rows, places),
    )
    wanted = 0 if plan.lora_rank else (0, 1)
    with jax.set_mesh(place), place:
        step = jax.jit(jax.value_and_grad(loss.cross_entropy, wanted)).lower(*arguments)
        chunks, _ = loss.in_chunks(rows, places, config.num_embed)
    return fit(step, {}, "state", chips.of(plan.topology).memory), chunks


class _Ids:
    """The tokenizer of a sampler that is never given text."""

    def encode(self, text: str) -> list[int]:
        raise NotImplementedError

    def decode(self, ids: list[int]) -> str:
        raise NotImplementedError

    def pad_id(self) -> int:
        return 0

    def eos_id(self) -> int:
        return 1

    def bos_id(self) -> int:
        return 2


def generate(plan: Generation, told: Callable[[str], None]) -> dict[str, Any]:
    """Compiles what reads prompts and what writes answers, as `sampling.generate` has them."""
    model = _model(plan, mesh(plan.topology, plan.tp))
    memory = chips.of(plan.topology).memory
    room = plan.prompt + plan.new_tokens
    sampler = sampling.sampler(model, _Ids(), room)
    sampler.eos_ids = np.array([1], np.int32)
    state = jax.eval_shape(
        lambda ids: sampler.init_sample_state(
            ids, room, False, None, 0.0, None, None, jax.random.key(0), None
        ),
        jax.ShapeDtypeStruct((plan.batch_size, plan.prompt), jnp.int32),
    )
    state = dataclasses.replace(state, num_input_tokens=plan.prompt)  # is part of the program
    weights = sampler._flattened_transformer_state
    parts = {"weights": size(nnx.state(model))}
    found = {}
    for name, step in (
        ("prefill", sampler._compiled_prefill_fn.lower(weights, state, None, echo=False)),
        ("decode", sampler._compiled_decode_fn.lower(weights, state)),
    ):
        found[name] = fit(step, parts, "cache", memory)
        told(f"{name} of {plan.batch_size} prompts: {_verdict(found[name])}")
    return {name: each._asdict() for name, each in found.items()}


def _constrained(x: jax.Array, axes: tuple[str | None, ...], eager: bool = False) -> jax.Array:
    mesh = pxla.thread_resources.env.physical_mesh
    if mesh.empty:
        return x
    return jax.lax.with_sharding_constraint(x, NamedSharding(mesh, PartitionSpec(*axes)))


def constrain() -> None:
    """Lets Tunix cut activations over the chips as it does on a TPU.

    It asks whether the first device of the process is a CPU, which here it is, and leaves them to
    the compiler then.
    """
    sharding_utils.shard = _constrained


def _say(**answer: Any) -> None:
    print(json.dumps(answer), flush=True)


def main() -> None:
    """Answers one request."""
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
