"""What all tests share."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault(  # many tests train the same shapes
    "JAX_COMPILATION_CACHE_DIR", str(Path(tempfile.gettempdir()) / "tunix-rt-tests-jax")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# Many tests start Python anew: what it imports is compiled once, as where a package is installed.
os.environ["PYTHONDONTWRITEBYTECODE"] = ""
os.environ["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / "tunix-rt-tests-pyc")
os.environ["COLUMNS"] = "100"

from typing import Any

import pytest
from hypothesis import settings

from tunix_rt_nb import runs, tasks
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace.trace import Trace

EXAMPLES = int(os.environ.get("TUNIX_RT_EXAMPLES", "60"))  # of each property; `make long`: more
THOROUGH = 5 * EXAMPLES  # of those that much depends on
settings.register_profile("default", deadline=None, derandomize=True, max_examples=EXAMPLES)
settings.load_profile("default")

NOW = "2026-01-01T00:00:00Z"
USUAL = runs.STEPS[: runs.STEPS.index(runs.LAST) + 1]  # those of a run that is not asked for more


SLOW = (  # files full of what trains, compiles or starts servers; single tests have the mark itself
    *("road", "models/test_attention.py", "models/test_hf_names.py", "models/test_lora.py"),
    *("kaggle/test_kaggle.py", "kaggle/test_kernel.py", "kaggle/test_session.py"),
    *("models/test_sampling.py", "train/test_loss.py"),
    *("tasks/test_certificate.py", "tasks/test_equations.py", "tasks/test_gsm_symbolic.py"),
    *("render/test_packing.py", "runs/test_chain.py", "runs/test_chain_memory.py"),
    *("train/test_deadline.py", "train/test_job_run.py", "train/test_mesh.py"),
    *("train/test_preflight.py", "train/test_sft.py", "train/test_smoke.py"),
)


FIRST = (  # the files that take longest, so that no worker is left with one at the end
    *("road/test_notebooks.py", "runs/test_chain.py", "road/test_road.py", "road/test_resume.py"),
    *(
        "train/test_preflight.py",
        "road/test_own_data.py",
        "road/test_job.py",
        "road/test_kaggle.py",
    ),
    *("train/test_hosts.py", "train/test_mesh.py", "train/test_job_run.py"),
    *("road/test_kills.py", "models/test_lora.py"),
    *("panel/test_browser.py", "road/test_lab_browser.py", "cli/test_sweep.py"),
    *("runs/test_watching.py", "runs/test_execution.py", "road/test_fuzz.py"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what takes long, and puts the longest files first; `-m "not slow"` is the rest."""
    here = Path(__file__).parent
    slow, first = [here / name for name in SLOW], [here / name for name in FIRST]
    for item in items:
        if any(item.path.is_relative_to(path) for path in slow):
            item.add_marker("slow")
    items.sort(key=lambda item: first.index(item.path) if item.path in first else len(first))


def some(name: str, n: int, seed: int, difficulty: str = "easy", **how: Any) -> list[Trace]:
    """So many traces of a task, or all that there are."""
    space = tasks.get(name, difficulty).space()
    return list(tasks.draw(name, min(n, space or n), seed, difficulty, **how))


def with_step(trace: Trace, i: int, text: str) -> Trace:
    """The trace with another text as one of its steps."""
    steps = [(s.type, text if s.i == i else s.content) for s in trace.steps]
    return Trace.of(trace.prompt, steps, trace.final_answer, trace.meta)


@pytest.fixture
def strict_promotion() -> Iterator[None]:
    """Lets JAX convert no dtype and add no axis by itself; Tunix's own models need both."""
    import jax

    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture(scope="session")
def traces() -> list[Trace]:
    """Forty traces of each task."""
    return [trace for name in tasks.TASKS for trace in tasks.draw(name, 40, seed=7)]


@pytest.fixture
def store(tmp_path: Path, traces: list[Trace]) -> TraceStore:
    """A store that holds them."""
    store = TraceStore(tmp_path / "traces")
    store.add(traces, NOW)
    return store
