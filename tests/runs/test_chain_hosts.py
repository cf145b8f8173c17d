"""The chain in one of several processes, which train one model together."""

import textwrap
from pathlib import Path

import pytest

from tests.runs.test_chain import WORK, ran, road as road, write
from tunix_rt_nb.common import InputError
from tunix_rt_nb.host import launch, paths
from tunix_rt_nb.runs import chain

pytestmark = pytest.mark.slow

FOLLOW = """
import os
if os.environ["JAX_PROCESS_ID"] == "1":
    with open("{log}", "a") as log:
        log.write("followed")
else:
{work}
"""


def launched(monkeypatch: pytest.MonkeyPatch, process: int) -> None:
    """Let this process be one of two."""
    for name, value in zip((launch.COUNT, launch.NUMBER), (2, process), strict=True):
        monkeypatch.setenv(name, str(value))


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a run, but those that the second process keeps for itself."""
    found = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if ".4_train.1." not in name}


def test_the_second_process_follows_the_first_and_writes_nothing_else(
    road: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, run = str(road / "done.txt"), road / "home/runs/r"
    work = textwrap.indent(WORK.format(step="train", log=log, extra=""), "    ")
    write(paths.NOTEBOOKS, "train", [FOLLOW.format(log=log, work=work)])
    chain.run(run, {}, to_step="render")
    assert ran(road) == ["generate", "build", "render"]

    launched(monkeypatch, 0)
    [report] = chain.run(run, {}, from_step="train", to_step="train")
    assert (ran(road), report.skipped) == (["train"], False)
    before = contents(run)
    launched(monkeypatch, 1)
    [report] = chain.run(run, {}, from_step="train", to_step="train")
    assert (ran(road), report.skipped) == ([], True)
    [report] = chain.run(run, {}, from_step="train", to_step="train", fresh=True)
    assert (ran(road), report.skipped) == (["followed"], False)
    assert contents(run) == before
    assert (run / ".4_train.1.ipynb").exists()


@pytest.mark.parametrize("process", [0, 1])
def test_several_processes_only_train(
    road: Path, monkeypatch: pytest.MonkeyPatch, process: int
) -> None:
    launched(monkeypatch, process)
    with pytest.raises(InputError, match="one of 2 processes, which can only train: use --from"):
        chain.run(road / "home/runs/r", {}, from_step="build", to_step="train")
    assert not (road / "home").exists()
