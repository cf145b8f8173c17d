"""The push of a kernel to Kaggle: the checks before it, and the records of it in the run folder.

runs/quickstart/
  kernel/         the files that were pushed
  kaggle.json     the kernel's handle, version and page
  kaggle.jsonl    the part of its log that `watch` has reported
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict  # Pydantic accepts that of `typing` only from 3.12 on

from tunix_rt_nb.common import InputError, check_name, checked, files, one_line
from tunix_rt_nb.host import handles, paths
from tunix_rt_nb.kaggle import account, scratch, session, version
from tunix_rt_nb.kaggle.account import Told
from tunix_rt_nb.kaggle.kernel import Accelerator, accelerator
from tunix_rt_nb.models import catalog
from tunix_rt_nb.runs import parameters
from tunix_rt_nb.train import preflight

DATA = {"trained": 0.6, "fill": 0.95}  # assumed of the dataset, as `tunix-rt-nb preflight` does


@with_config(ConfigDict(extra="allow", strict=True))
class _Pushed(TypedDict):
    """The content of `kaggle.json`."""

    kernel: str
    version: int
    url: str


@with_config(ConfigDict(extra="allow", strict=True))
class _Event(TypedDict):
    """A line of `kaggle.jsonl`."""

    version: int
    stream_name: str
    time: Annotated[float, Field(allow_inf_nan=False)] | None
    data: str


@with_config(ConfigDict(extra="allow", strict=True))
class _Plan(TypedDict):
    """The fields of `plan.json` that are read again."""

    accelerator: str
    steps: list[str]
    values: dict[str, Any]


@with_config(ConfigDict(extra="allow", strict=True))
class _Named(TypedDict):
    """The field of `kernel-metadata.json` that is read again."""

    id: str


class Submission(NamedTuple):
    """A kernel on Kaggle and the run folder it belongs to.

    Attributes:
      run_dir: the run folder on this machine.
      handle: OWNER/SLUG.
      version: the number of the kernel's version; 0 stands for the last version.
      url: the address of the kernel's page.
    """

    run_dir: Path
    handle: str
    version: int
    url: str

    def record(self) -> "Submission":
        """Write the handle, version and page to `kaggle.json` in the run folder; return self."""
        told = {"kernel": self.handle, "version": self.version, "url": self.url}
        files.write_json(self.run_dir / "kaggle.json", told)
        return self

    def log(self) -> list[dict[str, Any]]:
        """Return the events of this version's log that `watch` has reported.

        Returns:
          One dict per event: `version`, `stream_name`, `time` (in seconds, or None), and `data`
          (the text of the event).
        """
        path = self.run_dir / "kaggle.jsonl"
        found = [
            checked(_Event, files.json_object(line, f"{path}:{number}: "), f"{path}:{number}: ")
            for number, line in enumerate(files.whole_lines(path), 1)
        ]
        return [dict(event) for event in found if event["version"] == self.version]


def find(name: str) -> Submission:
    """Find the kernel of a run by the run's id, or by the kernel's handle, OWNER/SLUG.

    Raises:
      InputError: no kernel was pushed for this run; the handle is not valid; or the folder in
        `runs/` that belongs to this handle has another run in it.
    """
    with scratch.settled(paths.home() / "runs"):
        return _found(name)


def _found(name: str) -> Submission:
    if "/" in name:
        slug = handles.kernel(name).partition("/")[2].removeprefix("tunix-rt-")
        run_dir = paths.home() / "runs" / slug
        known = _recorded(run_dir)
        if known and known["kernel"] != name:
            raise InputError(f"{run_dir}: holds a run of {known['kernel']}, rename that folder")
        if not known and (run_dir / "run.json").exists():
            raise InputError(
                f"{run_dir}: holds a run made on this machine, rename that folder first"
            )
        return Submission(run_dir, name, 0, _url(name))
    run_dir = paths.home() / "runs" / check_name("run-id", name)
    found = _recorded(run_dir)
    if not found:
        raise InputError(
            f"{run_dir}: has no pushed kernel, push one: tunix-rt-nb kaggle push {name}"
        )
    return Submission(run_dir, found["kernel"], found["version"], found["url"])


def _recorded(run_dir: Path) -> dict[str, Any]:
    path = run_dir / "kaggle.json"
    found = files.read_json(path) if path.exists() else {}
    if not isinstance(found, dict):
        raise InputError(f"{path}: is damaged, remove it and push the kernel again")
    return dict(checked(_Pushed, found, f"{path}: ")) if found else {}


def _url(handle: str) -> str:
    return f"https://www.kaggle.com/code/{handle}"


def push(
    run_dir: Path, force: bool = False, resume: bool = False, told: Told = print
) -> Submission:
    """Push the kernel that was prepared in a run folder; the push makes Kaggle run it.

    Args:
      run_dir: the run folder.
      force: push without checking whether the run fits the chips and whether quota is left.
      resume: continue from the output of the kernel's last version.
      told: called with each line about the checks.

    Returns:
      The kernel with the number of its new version.

    Raises:
      InputError: nothing was prepared; the run needs more memory than the chips have; no quota is
        left; there are no credentials; Kaggle refuses the kernel, or an input to attach.
    """
    folder = run_dir / "kernel"
    plan, metadata = plan_of(folder), _prepared(folder, "kernel-metadata.json", _Named)
    machine, name = accelerator(plan["accelerator"]), handles.kernel(metadata["id"], owned=False)
    api = account.login()
    handle = name if "/" in name else handles.kernel(f"{account.username(api)}/{name}")
    metadata |= {"id": handle, "kernel_sources": [handle] if resume else []}
    files.write_json(folder / "kernel-metadata.json", metadata)
    before = version.current(api, handle)
    if resume:
        _check_resumable(api, handle, before, run_dir.name)
    if not force:
        fits(plan, machine, told)
        told(quota(api, machine))
    return _pushed(api, run_dir, handle, before)


def _check_resumable(api: Any, handle: str, last: int, run_id: str) -> None:
    """Raise `InputError` unless the last version left output that a session can resume.

    Args:
      api: the API of the `kaggle` package.
      handle: the handle of the kernel, OWNER/SLUG.
      last: the number of its last version; 0 if it has none.
      run_id: the id of the run to resume.
    """
    if not last:
        raise InputError(f"{handle}: has no version to resume, push it without --resume")
    known = version.Version(api, handle, last)
    state, _ = known.state()
    if version.is_under_way(state):
        raise InputError(f"{handle}: version {last} is {state.lower()}, wait until it has ended")
    name = f"runs/{run_id}/{session.OUTPUT}"
    if not any(file.file_name == name for _, page in known.pages() for file in page.files or []):
        raise InputError(
            f"{handle}: version {last} left no {name}, so nothing can be resumed: push it without"
            " --resume"
        )


def plan_of(folder: Path) -> dict[str, Any]:
    """Read the `plan.json` of a kernel's folder; raise `InputError` if it is missing or damaged."""
    return _prepared(folder, "plan.json", _Plan)


def _prepared(folder: Path, name: str, kind: Any) -> dict[str, Any]:
    path, command = folder / name, f"tunix-rt-nb kaggle prepare --run-id {folder.parent.name}"
    if not path.exists():
        raise InputError(f"{path}: is missing, run {command}")
    found = files.read_json(path)
    if not isinstance(found, dict):
        raise InputError(f"{path}: is damaged, run {command}")
    return dict(checked(kind, found, f"{path}: "))


def fits(plan: Mapping[str, Any], machine: Accelerator, told: Told) -> None:
    """Check that training and generation fit the memory of the machine's chips.

    If there is nothing to check, tell why.

    Args:
      plan: the content of `plan.json`.
      machine: the machine; one without a TPU is not checked.
      told: called with each line about the check.

    Raises:
      InputError: they do not fit.
    """
    if not machine.topology:
        return
    if not plan["steps"]:
        told("preflight: left out, this notebook does not train")
        return
    names = {known.kaggle: name for name, known in catalog.MODELS.items() if known.kaggle}
    given = plan["values"].get("MODEL", "tiny")
    model = names.get(given, catalog.named(given))
    if model not in catalog.MODELS:
        told(f"preflight: left out, the size of {model} is not known here")
        return
    resolved = parameters.resolve({**plan["values"], "MODEL": model, "DATASET": ""})
    training, answers = preflight.of_run(resolved, machine.topology, **DATA)
    told(f"preflight for {machine.topology}, some minutes for a large model; --force leaves it out")
    told(preflight.check(preflight.train(training, told)))
    if "evaluate" in plan["steps"]:
        told(preflight.check(preflight.generate(answers, told)))


def quota(api: Any, machine: Accelerator) -> str:
    """Describe how many hours of this week's quota are left; raise `InputError` if none are."""
    if not machine.quota:
        return "quota: a machine without accelerator takes none"
    found = account.asked("quota", api.quota_view)
    hours = getattr(found, f"{machine.quota}_quota")
    if hours is None or hours.total_time_allowed is None:
        return f"quota: Kaggle does not tell that of {machine.quota}"
    total = hours.total_time_allowed
    left = total - (hours.time_used or timedelta()) - (hours.time_reserved or timedelta())
    name, of = machine.quota.upper(), f"{_hours(left)} of {_hours(total)} h"
    if left <= timedelta():
        renewed = found.quota_refresh_time
        when = f", it is renewed {renewed:%A, %d %B, %H:%M} UTC" if renewed else ""
        raise InputError(f"quota: no {name} time is left this week ({of}){when}")
    short = left < timedelta(hours=machine.hours)
    warning = f", less than a session of {machine.hours} h: Kaggle may end it early"
    return f"quota: {of} of {name} time are left this week{warning if short else ''}"


def _hours(time: timedelta) -> str:
    return f"{max(0.0, time.total_seconds() / 3600):.1f}"


def _pushed(api: Any, run_dir: Path, handle: str, before: int) -> Submission:
    """Push a kernel, record the push in the run folder, and return it.

    Check Kaggle's answer, because its client raises no error if Kaggle refuses. If the connection
    breaks, do not push again, but compare version numbers: a new number shows that the push
    succeeded.

    Args:
      api: the API of the `kaggle` package.
      run_dir: the run folder, with the prepared kernel.
      handle: the handle of the kernel, OWNER/SLUG.
      before: the number of its last version before the push; 0 if it has none.

    Raises:
      InputError: Kaggle refuses the kernel or an input to attach, or does not answer.
    """
    try:
        answer = account.asked(
            handle, lambda: api.kernels_push(str(run_dir / "kernel")), again=False
        )
    except InputError:
        now = version.current(api, handle)
        if now == before:
            raise
        return Submission(run_dir, handle, now, _url(handle)).record()
    if answer.error:
        raise InputError(f"{handle}: {_refusal(answer.error)}")
    number = answer.version_number or version.current(api, handle)
    pushed = Submission(run_dir, handle, number, answer.url or _url(handle)).record()
    unknown = [*(answer.invalid_dataset_sources or []), *(answer.invalid_kernel_sources or [])]
    unknown += [*(answer.invalid_model_sources or [])]
    if unknown:
        raise InputError(
            f"{handle}: was pushed without {', '.join(map(one_line, unknown))}, which is not on"
            f" Kaggle, or you may not see it: cancel the run at {pushed.url}"
        )
    return pushed


def _refusal(error: str) -> str:
    if "notebook not found" in error.lower():
        return (
            "Kaggle has the notebook, but it was never saved: open it there, Save Version, and push"
            " again"
        )
    return f"Kaggle refuses it: {one_line(error)}"
