"""A kernel that was pushed: what was checked before, and what is known of it since.

runs/quickstart/
  kernel/         what was pushed
  kaggle.json     the kernel's handle, version and page
  kaggle.jsonl    its log, as far as it was watched
"""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from tunix_rt_nb import catalog, files, parameters, plans, preflight, runs
from tunix_rt_nb.errors import InputError
from tunix_rt_nb.kernels import account, handles
from tunix_rt_nb.kernels.kernel import Accelerator, accelerator
from tunix_rt_nb.text import one_line

Told = Callable[[str], None]
DATA = {"trained": 0.6, "fill": 0.95}  # as `tunix-rt-nb preflight` takes them
_NEVER_SAVED = "notebook not found"


class Submission(NamedTuple):
    """A kernel on Kaggle, and the run folder that it is of; version 0: whatever is there."""

    run_dir: Path
    handle: str
    version: int
    url: str


def find(name: str) -> Submission:
    """The kernel of a run by the run's id, or by its own handle, OWNER/SLUG.

    Raises:
      InputError: no kernel was pushed of such a run, or it is no handle.
    """
    if "/" in name:
        slug = handles.kernel(name).partition("/")[2].removeprefix("tunix-rt-")
        url = f"https://www.kaggle.com/code/{name}"
        return Submission(runs.home() / "runs" / slug, name, 0, url)
    run_dir = runs.home() / "runs" / name
    path = run_dir / "kaggle.json"
    if not path.exists():
        raise InputError(f"{run_dir}: no kernel was pushed of it: tunix-rt-nb kaggle push {name}")
    found = files.read_json(path)
    return Submission(run_dir, found["kernel"], found["version"], found["url"])


def push(
    run_dir: Path, force: bool = False, resume: bool = False, told: Told = print
) -> Submission:
    """Pushes the kernel that was prepared in a run folder, which makes Kaggle run it.

    Args:
      force: without looking whether it fits the chips and whether there is quota.
      resume: goes on from the output of the kernel's last version.

    Raises:
      InputError: nothing was prepared; it will not fit; no quota is left; no credentials; Kaggle
        refuses it, or a part of it.
    """
    folder = run_dir / "kernel"
    plan, metadata = _prepared(folder, "plan.json"), _prepared(folder, "kernel-metadata.json")
    machine, handle = accelerator(plan["accelerator"]), handles.kernel(metadata["id"])
    metadata["kernel_sources"] = [handle] if resume else []
    files.write_json(folder / "kernel-metadata.json", metadata)
    api = account.login()
    if not force:
        fits(plan, machine, told)
        told(quota(api, machine))
    version = _current(api, handle)
    if resume and not version:
        raise InputError(f"{handle}: there is no version to resume, push it without --resume")
    url, found = _pushed(api, folder, handle, version)
    files.write_json(run_dir / "kaggle.json", {"kernel": handle, "version": found, "url": url})
    (run_dir / "kaggle.jsonl").unlink(missing_ok=True)
    return Submission(run_dir, handle, found, url)


def _prepared(folder: Path, name: str) -> dict[str, Any]:
    if not (folder / name).exists():
        run_id = folder.parent.name
        raise InputError(
            f"{folder / name}: is missing: tunix-rt-nb kaggle prepare --run-id {run_id}"
        )
    return files.read_json(folder / name)


def fits(plan: Mapping[str, Any], machine: Accelerator, told: Told) -> None:
    """`InputError` where training or the answers do not fit the chips that are asked for."""
    if not machine.topology or plan["source"].endswith(".ipynb"):
        return
    names = {known.kaggle: name for name, known in catalog.MODELS.items() if known.kaggle}
    given = dict(plan["values"])
    model = given.get("MODEL", "tiny")
    if model not in catalog.MODELS:
        if model not in names:
            told(f"preflight: left out, the size of {model} is not known here")
            return
        given["MODEL"] = names[model]
    resolved = parameters.resolve({**given, "DATASET": ""})
    training, answers = plans.of_run(resolved, machine.topology, **DATA)
    told(f"preflight for {machine.topology}, some minutes for a large model; --force leaves it out")
    told(preflight.check(preflight.train(training, told)))
    told(preflight.check(preflight.generate(answers, told)))


def quota(api: Any, machine: Accelerator) -> str:
    """What is left of this week's hours; `InputError` where that is nothing."""
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
        raise InputError(
            f"quota: no {name} time is left this week (0.0 of {_hours(total)} h), it is renewed"
            f" {found.quota_refresh_time:%A, %d %B, %H:%M} UTC"
        )
    return f"quota: {of} of {name} time are left this week"


def _hours(time: timedelta) -> str:
    return f"{max(0.0, time.total_seconds() / 3600):.1f}"


def _current(api: Any, handle: str) -> int:
    """The last version of a kernel; 0 where there is none yet."""
    kernel = _kernel(api, handle)
    return int(kernel.metadata.current_version_number or 0) if kernel else 0


def _kernel(api: Any, handle: str) -> Any:
    from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelRequest

    request = ApiGetKernelRequest()
    request.user_name, request.kernel_slug = handle.split("/")

    def call() -> Any:
        with api.build_kaggle_client() as client:
            return client.kernels.kernels_api_client.get_kernel(request)

    return account.found(handle, call)


def _pushed(api: Any, folder: Path, handle: str, before: int) -> tuple[str, int]:
    """Pushes, and reads what Kaggle says of it: its client ends well even where it is refused.

    Where the connection broke meanwhile, it is not pushed twice: the version tells whether it was.
    """
    url = f"https://www.kaggle.com/code/{handle}"
    try:
        answer = account.asked(handle, lambda: api.kernels_push(str(folder)), again=False)
    except InputError:
        now = _current(api, handle)
        if now == before:
            raise
        return url, now
    if answer.error:
        raise InputError(f"{handle}: {_refusal(handle, answer.error)}")
    unknown = [*(answer.invalid_dataset_sources or []), *(answer.invalid_kernel_sources or [])]
    unknown += [*(answer.invalid_model_sources or [])]
    if unknown:
        raise InputError(
            f"{handle}: was pushed, but without {', '.join(map(one_line, unknown))}, which is not"
            f" on Kaggle or you may not see: cancel it at {answer.url or url}"
        )
    return answer.url or url, answer.version_number or before + 1


def _refusal(handle: str, error: str) -> str:
    if _NEVER_SAVED in error.lower():
        return (
            "Kaggle has the notebook, but it was never saved: open it there, Save Version, and push"
            " again"
        )
    return f"Kaggle refuses it: {one_line(error)}"


def kernel_source(api: Any, submission: Submission) -> str:
    """The notebook as Kaggle has it."""
    kernel = _kernel(api, submission.handle)
    return str(kernel.blob.source or "") if kernel else ""


def state(api: Any, submission: Submission) -> tuple[str, str]:
    """QUEUED, RUNNING, COMPLETE, ERROR or CANCEL..., and why it failed."""
    answer = account.asked(submission.handle, lambda: api.kernels_status(submission.handle))
    return answer.status.name, one_line(answer.failure_message or "")


def log(submission: Submission) -> list[dict[str, Any]]:
    """The part of the log that was watched; a line that was cut off is left out."""
    return list(map(json.loads, files.whole_lines(submission.run_dir / "kaggle.jsonl")))
