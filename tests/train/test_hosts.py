"""The same training in one process and in two that share the work, as two hosts would.

Each process runs this file as a script, and prints what it found as its last line.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import pytest

from tests.helpers.gemma import shallow
from tests.train.test_sft import CONFIG, EXAMPLES, TOKENIZER, rows
from tunix_rt_nb import models, runs, train
from tunix_rt_nb.common import InputError, OutOfTime, files
from tunix_rt_nb.host import launch
from tunix_rt_nb.models import hosts, lora
from tunix_rt_nb.render import Rows

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.slow]

MANY, HELD_OUT = rows(EXAMPLES * 2), rows(EXAMPLES[:9])
LONG = CONFIG.model_copy(
    update={"steps": 20, "batch_size": 8, "checkpoint_every": 5, "eval_every": 10}
)
LORA: dict[str, Any] = {"rank": 2, "keep": "best"}
SHORT: dict[str, Any] = {"steps": 2, "accumulation": 2, "checkpoint_every": 2, "eval_every": 2}
OTHERS = "process 1 has another than process 0: give all processes the same data and settings"
FLAGS = (  # what makes compiling quick
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    " --xla_cpu_use_fusion_emitters=false"
)


def fit(
    base: Path,
    out: Path,
    data: Rows = MANY,
    held_out: Rows = HELD_OUT,
    tp: int = 1,
    rank: int = 0,
    report: Callable[[train.MetricsLine], None] = lambda line: None,
    **how: Any,
) -> dict[str, Any]:
    """Train on all devices; return the losses, and the hash of all that the first one wrote."""
    model, tokenizer = models.load(base, tp)
    if rank:
        model = lora.apply(model, rank, 16.0, ".*gate_proj")
    config = LONG.model_copy(update=how)
    metrics = train.fine_tune(model, data, held_out, config, out, report)
    saved = models.save(model, tokenizer, out / "model")
    if rank:
        lora.save_adapter(model, out / "adapter")
    lines = [json.loads(line) for line in files.all_lines(out / "metrics.jsonl")]
    assert lines == metrics
    return {
        "losses": [line.get("loss", line.get("eval_loss")) for line in metrics],
        "sha256": [files.sha256(path) for path in sorted(saved.parent.glob("*/*.safetensors"))],
        "logs": len(list((out / "tensorboard").iterdir())),
    }


def said(attempt: Callable[[], Any]) -> str:
    with pytest.raises((InputError, OutOfTime)) as raised:
        attempt()
    return str(raised.value)


def at(step: int, number: int) -> Callable[[train.MetricsLine], None]:
    """Return a report that sends this process a signal in the midst of a training."""

    def report(line: train.MetricsLine) -> None:
        if line["step"] == step and "loss" in line:
            os.kill(os.getpid(), number)

    return report


def cut_off(base: Path, out: Path) -> str:
    """Train until the second process gets a signal, and then until it is killed."""
    report = at(2, signal.SIGTERM) if not hosts.is_first() else lambda line: None
    print(said(lambda: fit(base, out / "lora", **LORA, report=report)), flush=True)
    report = at(7, signal.SIGKILL) if not hosts.is_first() else lambda line: None
    return str(fit(base, out / "lora", **LORA, report=report))


def refused(base: Path, out: Path) -> dict[str, str]:
    """Return what is said to processes of which the second one has something else."""
    other = base if hosts.is_first() else base.with_name("other")
    out = out / "none"
    return {
        "rows": said(lambda: fit(base, out, rows(EXAMPLES[mine() :] * 2))),
        "fewer": said(lambda: fit(base, out, MANY if hosts.is_first() else HELD_OUT)),
        "eval_rows": said(lambda: fit(base, out, held_out=rows(EXAMPLES[mine() : 9]))),
        "learning_rate": said(lambda: fit(base, out, learning_rate=1e-3 * (1 + mine()))),
        "lora_rank": said(lambda: fit(base, out, rank=1 + mine())),
        "tp": said(lambda: fit(base, out, tp=1 + mine())),
        "model": said(lambda: fit(other, out)),
        "generation": said(lambda: models.check_processes("generation")),
        "begun": str(out.exists()),
    }


def shared_step(out: Path) -> dict[str, Any]:
    """Begin and finish the step train of a run, in which the step before it is complete."""
    if hosts.is_first():
        earlier = {"step": "render", "inputs": {}, "outputs": {}}
        files.write_json(out / "3_render/result.json", earlier)
    step = train.begin(run_dir=str(out))
    folder, inputs = step.folder, step.inputs
    result = step.finish({"steps": mine() + 7})
    return {
        "result": [result, runs.result(folder)],
        "folders": [str(at.relative_to(out)) for at in (folder, step.folder, *inputs.values())],
    }


def mine() -> int:
    return int(jax.process_index())


def two_devices(base: Path, out: Path) -> dict[str, Any]:
    """Train on two devices, in whole or from where a training was cut off."""
    return {
        "refused": refused(base, out) if hosts.is_one_of_several() else {},
        "step": shared_step(out / "run"),
        "full": fit(base, out / "full"),
        "lora": fit(base, out / "lora", **LORA),
    }


def eight_devices(base: Path, out: Path) -> dict[str, Any]:
    """Train on eight devices; then with adapters, two devices sharing the width of a layer."""
    return {
        "full": fit(base, out / "full"),
        "lora": fit(base, out / "lora", tp=2, rank=2, **SHORT),
    }


def started(
    work: Callable[[Path, Path], Any], base: Path, out: Path, *counts: int, given: bool = True
) -> list[Any]:
    """Start a process for each of `counts`, its number of devices.

    Args:
      given: True to give each the address of the first, and its place.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    together = {launch.ADDRESS: address, launch.COUNT: str(len(counts))}
    command = [sys.executable, "-W", "ignore", "-m", "tests.train.test_hosts"]
    return [
        subprocess.Popen(
            [*command, work.__name__, str(base), str(out)],
            env={
                **os.environ,
                "NPROC": "8",  # threads of XLA: sums are cut into as many parts
                **({**together, launch.NUMBER: str(n)} if given else {}),
                "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices} {FLAGS}",
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        for n, devices in enumerate(counts)
    ]


def found_by(*how: Any, given: bool = True) -> list[dict[str, Any]]:
    """Return what each process found."""
    told = [process.communicate(timeout=300)[0] for process in started(*how, given=given)]
    return [json.loads(text.splitlines()[-1]) for text in told]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    shallow(folder / "other", TOKENIZER, seed=1)
    return shallow(folder / "base", TOKENIZER)


def test_two_processes_that_are_killed_stopped_and_resumed_train_as_one_does(
    base: Path, tmp_path: Path
) -> None:
    first, second = started(cut_off, base, tmp_path / "two", 1, 1)
    told = second.communicate(timeout=300)[0]
    assert second.returncode == -signal.SIGKILL
    assert told.splitlines()[-1] == "stopped at step 4 of 20, run again to go on"
    first.kill()
    assert told.splitlines()[-1] in first.communicate()[0]

    ours, theirs = found_by(two_devices, base, tmp_path / "two", 1, 1)
    assert ours == theirs
    assert ours.pop("refused") == {
        **{name: f"{name}: {OTHERS}" for name in ("rows", "eval_rows", "learning_rate")},
        **{name: f"{name}: {OTHERS}" for name in ("lora_rank", "tp", "model")},
        "fewer": f"rows: {OTHERS}",
        "generation": "generation: this process is one of 2, expected a single process",
        "begun": "False",
    }
    [alone] = found_by(two_devices, base, tmp_path / "one", 2, given=False)
    assert [found["lora"].pop("logs") for found in (ours, alone)] == [3, 1]  # one for each try
    assert ours.pop("step")["folders"] == ["4_train", "4_train", "3_render"]
    for kind in ("full", "lora"):
        assert len(alone[kind]["losses"]) == 23
        assert ours[kind] == alone[kind]


def test_processes_with_four_devices_each_train_as_one_with_eight(
    base: Path, tmp_path: Path
) -> None:
    ours, theirs = found_by(eight_devices, base, tmp_path / "two", 4, 4)
    [alone] = found_by(eight_devices, base, tmp_path / "one", 8)
    assert len(alone["full"]["losses"]) == 23
    assert ours == theirs == alone


if __name__ == "__main__":
    train.check_device("cpu")
    print(json.dumps(globals()[sys.argv[1]](*map(Path, sys.argv[2:]))))
