"""Training Gemma 3 270M on the quickstart's traces: time and memory, each run a new process.

The weights are Tunix's random ones and the tokens those of the quickstart's tokenizer, which are
the first 640 of 262,144: neither changes what a step costs.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jax.extend.backend import get_backend

from tests.bench import training
from tests.bench.measure import Line, peak_memory, settled_memory
from tests.bench.traces import process
from tunix_rt_nb import models, render
from tunix_rt_nb.common import files
from tunix_rt_nb.models import lora
from tunix_rt_nb.models.folder import gemma3
from tunix_rt_nb.models.tokenizer import Tokenizer

CONFIG = replace(gemma3.ModelConfig.gemma3_270m(), param_dtype=jnp.float32)
LENGTH = 512
BATCH = 2  # of four, plain Tunix would take most of a machine with 24 GB
RANK = 16
KINDS = ("full", "lora")
SIDES = {"ours": training.ours, "theirs": training.theirs}
PAIRS = 2
STEPS = 7
WARM = 2


def train_270m() -> Iterator[Line]:
    """Tokens of examples a second, padding not counted: of all weights, and of adapters."""
    for kind in KINDS:
        speed, peer = (_median(side, kind, "speed") for side in SIDES)
        name = f"train_270m {kind}, {BATCH} x {LENGTH}"
        yield Line(name, speed, "tokens/s", peer, speed / peer)


def memory_270m() -> Iterator[Line]:
    """Measure what a step takes beside weights and optimiser: as compiled, and as it is resident."""
    for kind in KINDS:
        for what in ("temporaries", "resident"):
            size, peer = (_median(side, kind, what) for side in SIDES)
            yield Line(f"memory_270m {kind}, {what}", size, "MiB", peer, peer / size)


def _median(side: str, kind: str, what: str) -> float:
    return median(figures[what] for figures in _runs()[side, kind])


@cache
def _runs() -> dict[tuple[str, str], list[dict[str, float]]]:
    """The figures of each side and kind of training, measured once for both benchmarks.

    The sides take turns, so that what else the machine does meanwhile meets both.
    """
    found: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    with training.quickstart(LENGTH) as home:
        model = gemma3.Gemma3(CONFIG, rngs=nnx.Rngs(0))
        tokenizer = _filled_up(render.load_tokenizer(home / "rendered"), CONFIG.num_embed)
        models.save(model, tokenizer, home / "model")
        del model
        for kind, _, side in product(KINDS, range(PAIRS), SIDES):
            process(["-m", "tests.bench.large", str(home), side, kind])
            found[side, kind].append(files.read_json(home / "figures.json"))
    return found


def _filled_up(tokenizer: Tokenizer, size: int) -> Tokenizer:
    """The tokenizer with unused pieces up to so many: messages that are added to the file's list."""
    added = []
    for number in range(len(tokenizer), size):
        name = f"<unused{number}>".encode()
        piece = b"\x0a" + bytes([len(name)]) + name + b"\x18\x05"
        added.append(b"\x0a" + bytes([len(piece)]) + piece)
    return Tokenizer(tokenizer.model + b"".join(added))


class _Watch(training.Clock):
    """Notes also how much memory the steps take that the process does not have between them."""

    def __init__(self) -> None:
        super().__init__()
        self._between = 0
        self._peaks: list[int] = []

    def tick(self) -> None:
        self._peaks.append(peak_memory())
        if self._between == 0 and len(self._times) == WARM:
            self._between = settled_memory()
        super().tick()

    def figures(self, tokens: float) -> dict[str, Any]:
        """Of a run with so many tokens a step, before it wrote its last checkpoint.

        The last two steps are reported together, when that is written already.
        """
        return {
            "speed": tokens / self.step(WARM),
            "temporaries": _temporaries() / 2**20,
            "resident": (self._peaks[-3] - self._between) / 2**20,
        }


def _temporaries() -> int:
    """Bytes that the compiled train step takes for itself while it runs, and for what is new."""
    compiled = get_backend().live_executables()
    steps = [one for one in compiled if one.hlo_modules()[0].name == "jit__train_step"]
    sizes = [one.get_compiled_memory_stats() for one in steps]
    return max(
        (s.temp_size_in_bytes + s.output_size_in_bytes - s.alias_size_in_bytes for s in sizes),
        default=0,
    )


def _run(home: Path, side: str, kind: str) -> None:
    """One run, in this process."""
    model, _ = models.load(home / "model")
    if kind == "lora":
        model = lora.apply(model, RANK, 2.0 * RANK)
    watch = _Watch()
    tokens = SIDES[side](home, model, training.settings(STEPS, BATCH), LENGTH, watch)
    files.write_json(home / "figures.json", watch.figures(tokens))


if __name__ == "__main__":
    _run(Path(sys.argv[1]), *sys.argv[2:])
