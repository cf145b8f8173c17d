"""The step train, run by one process or by several together: the first one holds its folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunix_rt_nb import runs
from tunix_rt_nb.models import hosts
from tunix_rt_nb.runs import Result, Step
from tunix_rt_nb.train.job import begin_job


class _Shared(Step):
    """A step that several processes run; one of them holds its folder, and finishes it for all."""

    def finish(self, result: Mapping[str, Any]) -> Result:
        def work() -> tuple[Result, str]:
            return Step.finish(self, result), str(self.folder)

        whole, folder = hosts.first(work)
        self.folder = Path(folder)
        return whole


def begin(job: str = "", run_dir: str = "") -> Step:
    """Begin the step train, of a run or of a job; several processes begin it together.

    Call `check_device` before, so that they are joined.

    Args:
      job: the file of a Tunix job; empty to train what `run_dir` says.
      run_dir: the run's folder, as the chain sets it; empty if the notebook is run alone.

    Raises:
      InputError: the step cannot begin, for a reason of `runs.begin` or `begin_job`.
    """

    def alone() -> Step:
        return begin_job("train", job, run_dir) if job else runs.begin("train", run_dir)

    if not hosts.is_one_of_several():
        return alone()
    held: list[Step] = []

    def work() -> tuple[str, dict[str, str]]:
        held.append(alone())
        return str(held[0].folder), {name: str(at) for name, at in held[0].inputs.items()}

    folder, inputs = hosts.first(work)
    lock: Any = held[0]._lock if held else None  # only the first process releases it
    places = {name: Path(at) for name, at in inputs.items()}
    return _Shared("train", Path(folder), places, lock)
