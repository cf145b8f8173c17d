"""Notebooks as processes: where they work, how a signal stops them, what they leave."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from tests.runs.test_chain import (
    ran,
    road as road,  # a fixture
    write,
)
from tunix_rt_nb import runs
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.host import paths
from tunix_rt_nb.runs import chain, states

pytestmark = pytest.mark.slow

CHAIN = """
import sys
from pathlib import Path
from tunix_rt_nb.cli import main
from tunix_rt_nb.host import paths
paths.NOTEBOOKS = Path(sys.argv[1])
main(["run", "--run-id", "r", "--to", "build"])
"""
FOREVER = """
import time
open({started!r}, "w").close()
while True:
    time.sleep(0.01)
"""
TRAINS = """
import time
from tunix_rt_nb.common import OutOfTime
class Stopped(OutOfTime):
    pass
open({started!r}, "w").close()
try:
    time.sleep(60)
except KeyboardInterrupt:
    raise Stopped("stopped at step 57 of 300, run again to go on") from None
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGINT, lambda *_: None)
open({started!r}, "w").close()
while True:
    time.sleep(0.01)
"""


def stopped(road: Path, cell: str, *signals: int) -> tuple[int, str]:
    """The exit code and the errors of a chain that gets signals while a cell runs."""
    started = road / "started"
    write(paths.NOTEBOOKS, "build", [cell.format(started=str(started))])
    command = [sys.executable, "-c", CHAIN, str(paths.NOTEBOOKS)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not started.exists():
            assert process.poll() is None
            time.sleep(0.05)
        family = psutil.Process(process.pid).children(recursive=True)
        assert family
        for number in signals:
            os.kill(process.pid, number)
            time.sleep(0.5)
        told = process.communicate(timeout=60)[1]
    _gone, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    return process.returncode, told


@pytest.mark.parametrize(
    ("cell", "signals", "code", "says"),
    [
        (FOREVER, [signal.SIGINT], 130, "2_build.ipynb: stopped, run again to go on"),
        (FOREVER, [signal.SIGTERM], 143, "2_build.ipynb: stopped, run again to go on"),
        (TRAINS, [signal.SIGINT], 130, "2_build.ipynb: stopped at step 57 of 300, run again to"),
        (STUBBORN, [signal.SIGINT] * 2, 130, "2_build.ipynb: stopped, run again to go on"),
    ],
    ids=["interrupted", "terminated", "training", "twice"],
)
def test_a_signal_stops_the_chain_with_its_kernel(
    road: Path, cell: str, signals: list[int], code: int, says: str
) -> None:
    found, told = stopped(road, cell, *signals)
    assert says in told.splitlines()[-1]
    assert "Traceback" not in told
    assert found == code
    assert states.state(road / "home/runs/r") == ("stopped", "build", "stopped in build")
    write(paths.NOTEBOOKS, "build", ["pass"])
    with pytest.raises(InputError, match=r"result.json: is missing"):  # and goes on from there
        chain.run(road / "home/runs/r", {}, to_step="build")
    assert ran(road) == ["generate"]


def test_a_signal_between_two_cells_stops_before_the_next(tmp_path: Path) -> None:
    stop = runs.execution._Stop("x.ipynb", os.open(os.devnull, os.O_WRONLY))
    stop.check(cell=None)
    stop(signal.SIGTERM, None)
    with pytest.raises(runs.StepStopped, match=r"x\.ipynb: stopped, run again") as raised:
        stop.check(cell=None)
    assert raised.value.code == 143


def test_a_path_with_braces_is_a_path(road: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("br{x}ace", "{", "}{0}", "{{a}}", "%s {RUN_DIR}"):
        home = road / name
        chain.run(home / "runs/r", {}, to_step="generate")
        assert (home / "runs/r/1_generate.ipynb").exists()
        assert (home / "runs/r/1_generate/out.txt").exists()
    assert {path.name for path in road.iterdir() if "r" in path.name} >= {"br{x}ace"}


FAILS = {
    "bad input": "from tunix_rt_nb.common import InputError; raise InputError('EVAL_SET: wrong')",
    "error": "1 / 0",
    "death": "import os; os._exit(9)",
    "no result": "pass",
}


def test_whatever_fails_in_a_second_run_costs_nothing_of_the_first(road: Path) -> None:
    folder = road / "home/runs/r"
    chain.run(folder, {"number": 1}, to_step="build")
    ran(road)

    def kept() -> dict[str, bytes]:
        names = ("2_build/out.txt", "2_build/key", "2_build/result.json", "2_build.ipynb")
        return {name: (folder / name).read_bytes() for name in names}

    before = kept()
    notebook = (paths.NOTEBOOKS / "2_build.ipynb").read_bytes()
    for cell in FAILS.values():
        begins = "from tunix_rt_nb.runs import chain; s = chain.begin('build', RUN_DIR)"
        write(paths.NOTEBOOKS, "build", [begins, "(s.folder / 'out.txt').write_text('x')", cell])
        with pytest.raises((InputError, runs.StepFailed), match=r"2_build"):
            chain.run(folder, {"name": "y"}, from_step="build", to_step="build")
        assert kept() == before
        told = files.read_json(folder / "run.json")["parameters"]["build"]
        assert (told["NAME"], told["NUMBER"]) == ("x", 1)
    (paths.NOTEBOOKS / "2_build.ipynb").write_bytes(notebook)
    chain.run(folder, {"number": 1}, to_step="build")
    assert ran(road) == []  # the first run still counts
    chain.run(folder, {"number": 1, "name": "y"}, from_step="build", to_step="build")
    assert ran(road) == ["build"]
    assert (folder / "2_build/out.txt").read_text() == "1 y"
    assert files.read_json(folder / "run.json")["parameters"]["build"]["NAME"] == "y"
    assert not list(folder.glob("*.new.*"))
    assert not list(folder.glob(".*.new"))


def test_a_fresh_run_that_fails_costs_nothing_either(road: Path) -> None:
    folder = road / "home/runs/r"
    chain.run(folder, {}, to_step="build")
    write(paths.NOTEBOOKS, "generate", ["1 / 0"])
    with pytest.raises(runs.StepFailed):
        chain.run(folder, {}, to_step="build", fresh=True)
    assert (folder / "1_generate/out.txt").exists()
    assert (folder / "2_build/result.json").exists()


def test_the_log_of_a_kernel_that_needs_long_to_end_has_no_stack_trace(road: Path) -> None:
    """As libraries write one when a signal ends the process."""
    slow = "import atexit, faulthandler, signal, sys, time\n"
    slow += "faulthandler.register(signal.SIGTERM, file=__import__('builtins').open(2, 'w', closefd=False))\n"
    slow += "atexit.register(time.sleep, 5)"
    begin = "from tunix_rt_nb.runs import chain; s = chain.begin('generate', RUN_DIR)"
    write(paths.NOTEBOOKS, "generate", [begin, slow, "_ = s.finish({})"])
    chain.run(road / "home/runs/r", {}, to_step="generate")
    log = (road / "home/runs/r/1_generate.log").read_text()
    assert "most recent call first" not in log
    assert "Traceback" not in log
