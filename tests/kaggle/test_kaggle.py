"""Kernels pushed, watched and pulled with the real `kaggle` package, from a Kaggle on this machine."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.conftest import NOW
from tests.helpers import kaggle_server
from tests.helpers.kaggle_server import CUT, HANG, KEY, USER, Kaggle, Version
from tunix_rt_nb import dataset, tasks
from tunix_rt_nb.cli import main, status
from tunix_rt_nb.common import files
from tunix_rt_nb.host import place
from tunix_rt_nb.kaggle import account, scratch, session, uploads, watching
from tunix_rt_nb.store.store import TraceStore

pytest.importorskip("kagglesdk")
pytest.importorskip("slugify")  # importing `kaggle` itself would log in

HANDLE = "me/tunix-rt-mine"
SECRETS = (KEY, base64.b64encode(f"{USER}:{KEY}".encode()).decode())


@pytest.fixture(scope="module")
def running() -> Iterator[Kaggle]:
    with kaggle_server.serving() as server:
        yield server


@pytest.fixture
def server(running: Kaggle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kaggle:
    """An empty Kaggle, and a client that does not wait long."""
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setattr(account, "PAUSE", 0.01)
    monkeypatch.setattr(watching, "EVERY", 0.01)
    monkeypatch.setattr(watching, "TRIES", 4)
    monkeypatch.setattr(uploads, "EVERY", 0.01)
    for kept in (running.kernels, running.datasets, running.models, running.blobs, running.faults):
        kept.clear()
    running.calls, running.unknown_sources = [], []
    running.knows_labels = running.tells_versions = True
    running.blob_logs, running.processes = False, 0
    running.renewed = {"quotaRefreshTime": "2026-11-28T00:00:00Z"}
    running.quota = {"timeUsed": "3600s", "totalTimeAllowed": "72000s"}
    return running


@pytest.fixture
def folder(server: Kaggle, tmp_path: Path) -> Path:
    """The run folder of a kernel that was prepared."""
    kernel = tmp_path / "runs/mine/kernel"
    kernel.mkdir(parents=True)
    notebook: dict[str, Any] = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    metadata = {"id": HANDLE, "title": "tunix-rt-mine", "code_file": "kernel.ipynb"}
    kind = {"language": "python", "kernel_type": "notebook"}
    plan: dict[str, Any] = {"run_id": "mine", "source": "quickstart"}
    plan |= {"values": {}, "accelerator": "none"}
    plan["steps"] = ["train", "evaluate"]
    files.write_json(kernel / "kernel.ipynb", notebook)
    files.write_json(kernel / "kernel-metadata.json", {**metadata, **kind})
    files.write_json(kernel / "plan.json", plan)
    return kernel.parent


def hurry(monkeypatch: pytest.MonkeyPatch, fault: Any) -> None:
    """Lets the client wait less where nothing will come."""
    if fault == HANG:
        monkeypatch.setattr(account, "TIMEOUT", 0.3)
        monkeypatch.setattr(account, "TRIES", 3)


def on(folder: Path, machine: str, **values: Any) -> None:
    """Prepares the kernel for another machine and other values."""
    plan: dict[str, Any] = {"run_id": "mine", "source": "quickstart"}
    plan |= {"values": values, "accelerator": machine}
    plan["steps"] = ["train", "evaluate"]
    files.write_json(folder / "kernel/plan.json", plan)


def without_training(folder: Path) -> None:
    """Prepares a notebook that needs no preflight for a TPU."""
    plan = {"run_id": "mine", "source": "mine.ipynb", "values": {}, "accelerator": "TpuV5E8"}
    files.write_json(folder / "kernel/plan.json", {**plan, "steps": []})


def kaggle(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["kaggle", *arguments])


def refused(result: Result, says: str) -> None:
    assert result.exit_code == 2, result.output
    assert says in result.stderr
    assert result.stderr.splitlines()[-1].startswith("tunix-rt-nb: ")
    assert "Traceback" not in result.output


def left(folder: Path, more: dict[str, bytes] | None = None) -> dict[str, bytes]:
    """Return what a kernel leaves of a run of two files, with their hashes."""
    output = folder.parent.parent / "there/runs/mine"
    (output / "1_generate").mkdir(parents=True)
    (output / "run.json").write_text('{"format": 1}')
    (output / "1_generate/out.txt").write_text("made there")
    for name, content in (more or {}).items():
        (output / name).write_bytes(content)
    files.write_json(output / session.OUTPUT, session.hashes(output))
    found = {f"runs/mine/{p.relative_to(output)}": p for p in output.rglob("*") if p.is_file()}
    return {name: path.read_bytes() for name, path in found.items()}


def contents(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_a_push_is_recorded_and_each_next_one_is_another_version(
    server: Kaggle, folder: Path
) -> None:
    told = kaggle("push", "mine")
    assert told.exit_code == 0, told.output
    assert told.stdout == f"{HANDLE} version 1: https://www.kaggle.com/code/{HANDLE}\n"
    assert kaggle("push", "mine").stdout.startswith(f"{HANDLE} version 2")
    recorded = files.read_json(folder / "kaggle.json")
    assert recorded == {
        "kernel": HANDLE,
        "version": 2,
        "url": f"https://www.kaggle.com/code/{HANDLE}",
    }


def test_a_kernel_that_names_no_owner_becomes_that_of_whoever_pushes_it(
    server: Kaggle, folder: Path
) -> None:
    path = folder / "kernel/kernel-metadata.json"
    files.write_json(path, {**files.read_json(path), "id": "tunix-rt-mine"})
    assert kaggle("push", "mine").stdout.startswith(f"{HANDLE} version 1")
    assert files.read_json(path)["id"] == HANDLE
    assert kaggle("push", "mine", "--resume").exit_code == 2  # it left nothing


def test_the_request_asks_for_what_was_prepared_and_for_no_image(
    server: Kaggle, folder: Path
) -> None:
    path = folder / "kernel/kernel-metadata.json"
    files.write_json(path, {**files.read_json(path), "machine_shape": "TpuV5E8"})
    kaggle("push", "mine")
    [asked] = server.pushed(HANDLE)
    assert asked["machineShape"] == "TpuV5E8"
    assert asked["isPrivate"]
    assert not asked.get("dockerImage")


def test_an_error_that_comes_with_success_is_an_error(server: Kaggle, folder: Path) -> None:
    server.faults["SaveKernel"] = ["Maximum batch TPU session count of 1 reached."]
    refused(kaggle("push", "mine"), "Kaggle refuses it: Maximum batch TPU session count")
    assert not (folder / "kaggle.json").exists()


def test_a_notebook_that_was_never_saved_is_told(server: Kaggle, folder: Path) -> None:
    server.faults["SaveKernel"] = ["Notebook not found"]
    refused(kaggle("push", "mine"), "it was never saved: open it there, Save Version")


@pytest.mark.parametrize(
    ("kind", "handle"),
    [
        ("model_sources", "google/gemma-3/transformers/gemma-3-1b-pt/1"),
        ("dataset_sources", "me/all-cards/3"),
    ],
)
def test_a_source_that_kaggle_drops_is_an_error_and_the_push_is_recorded(
    server: Kaggle, folder: Path, kind: str, handle: str
) -> None:
    path = folder / "kernel/kernel-metadata.json"
    files.write_json(path, {**files.read_json(path), kind: [handle]})
    server.unknown_sources = [handle]
    refused(kaggle("push", "mine"), f"was pushed without {handle}")
    assert files.read_json(folder / "kaggle.json")["version"] == 1
    assert kaggle("watch", "mine").exit_code == 0


def test_what_does_not_fit_the_chips_is_not_pushed_unless_forced(
    server: Kaggle, folder: Path
) -> None:
    pytest.importorskip("libtpu")
    on(folder, "TpuV5E8", BATCH_SIZE=3)
    refused(kaggle("push", "mine"), "batch_size: 3 rows do not divide over 8 chips")
    assert server.kernels == {}
    assert kaggle("push", "mine", "--force").exit_code == 0


def test_without_quota_nothing_is_pushed(server: Kaggle, folder: Path) -> None:
    without_training(folder)
    assert "19.0 of 20.0 h of TPU time are left" in kaggle("push", "mine").stderr
    server.quota["timeUsed"] = "72000s"
    refused(
        kaggle("push", "mine"),
        "quota: no TPU time is left this week (0.0 of 20.0 h), it is renewed Saturday, 28 November",
    )


def test_quota_that_is_less_than_a_session_is_told(server: Kaggle, folder: Path) -> None:
    without_training(folder)
    server.quota["timeUsed"] = "70920s"
    told = kaggle("push", "mine").stderr
    assert "0.3 of 20.0 h of TPU time are left this week, less than a session of 9 h" in told


def test_quota_of_which_it_is_not_told_when_it_is_renewed_is_told(
    server: Kaggle, folder: Path
) -> None:
    without_training(folder)
    server.renewed, server.quota["timeUsed"] = {}, "72000s"
    refused(kaggle("push", "mine"), "no TPU time is left this week (0.0 of 20.0 h)")


def test_a_compiler_that_fails_is_told_in_a_line(
    server: Kaggle, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("libtpu")
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho boom >&2\nexit 1\n")
    script.chmod(0o700)
    on(folder, "TpuV5E8", BATCH_SIZE=8)
    monkeypatch.setattr(sys, "executable", str(script))
    refused(kaggle("push", "mine"), "preflight: the compiler failed: boom")


@pytest.mark.parametrize("name", ["never", "../x"])
def test_what_was_not_prepared_is_not_pushed(server: Kaggle, folder: Path, name: str) -> None:
    says = "plan.json: is missing, run tunix-rt-nb kaggle" if name == "never" else "is unsafe"
    refused(kaggle("push", name), says)


@pytest.mark.parametrize(
    ("name", "value"), [("KAGGLE_API_TOKEN", f"{KEY}\n"), ("KAGGLE_KEY", f"{KEY}\u2026")]
)
def test_a_credential_that_no_header_can_hold_is_not_shown(
    server: Kaggle, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    told = kaggle("push", "mine")
    refused(told, "check the credentials for a line break or an odd character")
    assert KEY not in told.output


def cold(**environment: str) -> subprocess.CompletedProcess[str]:
    """A login and a question where `kaggle` is imported anew, and waits little."""
    code = (
        "from tunix_rt_nb.kaggle import account\n"
        "account.TIMEOUT, account.TRIES, account.PAUSE = 0.3, 2, 0\n"
        "api = account.login()\n"
        "for answer in (account.asked('quota', api.quota_view), api.quota_view()):\n"
        "    print(answer.tpu_quota.total_time_allowed)"
    )
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_talkative_client_does_not_show_the_key(server: Kaggle) -> None:
    told = cold(VERBOSE="1")
    assert told.returncode == 0, told.stderr
    assert told.stdout == "20:00:00\n" * 2
    assert not any(secret in told.stderr for secret in SECRETS)


def test_a_login_that_gets_no_answer_ends(server: Kaggle) -> None:
    server.faults["IntrospectToken"] = [HANG] * 4
    told = cold(KAGGLE_API_TOKEN=KEY)
    assert "InputError: login: Kaggle did not answer" in told.stderr
    assert KEY not in told.stderr


@pytest.mark.parametrize("text", ["[1]", "5"])
def test_a_key_file_that_holds_something_else_is_told(
    server: Kaggle, folder: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    from kaggle.api.kaggle_api_extended import KaggleApi

    path = folder / "kaggle-key.json"
    path.write_text(text)
    path.chmod(0o600)
    monkeypatch.setattr(KaggleApi, "config", str(path))
    refused(kaggle("push", "mine"), f"{path}: is not a Kaggle key, make a token at https://")


def test_without_credentials_it_is_told_where_they_go(
    server: Kaggle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAGGLE_KEY")
    refused(kaggle("push", "mine"), "no Kaggle credentials: make a token at https://www.kaggle.com")
    assert kaggle("push", "mine").stderr.count("\n") == 1


def test_a_token_is_as_good_as_a_key(
    server: Kaggle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.setenv("KAGGLE_API_TOKEN", KEY)
    assert kaggle("push", "mine").exit_code == 0


@pytest.mark.parametrize(
    ("faults", "times", "says"),
    [
        ([401], 1, "Kaggle refuses the credentials (401): make a new token"),
        ([429] * 5, 5, "Kaggle got too many requests (429), try again in some minutes"),
        ([500], 1, "Kaggle answers with status 500, try again later"),
        ([HANG], 1, "Kaggle did not answer in 0 s"),
        ([CUT], 1, "the connection to Kaggle broke ("),
        (["The accelerator Tpu1VmV38 is retired."], 1, "Kaggle refuses it: The accelerator"),
    ],
)
def test_a_push_that_fails_is_told_in_a_line_and_not_repeated(
    server: Kaggle,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    faults: list[Any],
    times: int,
    says: str,
) -> None:
    hurry(monkeypatch, faults[0])
    server.faults["SaveKernel"] = list(faults)
    refused(kaggle("push", "mine"), says)
    assert server.calls.count("SaveKernel") == times
    assert not (folder / "kaggle.json").exists()
    assert KEY not in kaggle("push", "mine").output


def test_when_asked_for_patience_it_has_some(server: Kaggle, folder: Path) -> None:
    server.faults["SaveKernel"] = [429, 429]
    assert kaggle("push", "mine").exit_code == 0
    assert len(server.pushed(HANDLE)) == 1


def test_a_connection_cut_after_the_push_does_not_push_twice(server: Kaggle, folder: Path) -> None:
    server.faults["after SaveKernel"] = [CUT]
    assert kaggle("push", "mine").stdout.startswith(f"{HANDLE} version 1")
    assert len(server.pushed(HANDLE)) == 1


def test_resume_attaches_the_output_of_the_last_version(server: Kaggle, folder: Path) -> None:
    refused(kaggle("push", "mine", "--resume"), "has no version to resume")
    kaggle("push", "mine")
    server.put(HANDLE, files=left(folder))
    assert kaggle("push", "mine", "--resume").exit_code == 0
    assert server.pushed(HANDLE)[1]["kernelDataSources"] == [HANDLE]
    kaggle("push", "mine")
    assert not server.pushed(HANDLE)[2].get("kernelDataSources")


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ({"states": ["RUNNING"]}, "version 1 is running, wait until it has ended"),
        ({"states": ["ERROR"]}, "version 1 left no runs/mine/output.json, so nothing can"),
        ({"files": {"runs/other/output.json": b"{}"}}, "left no runs/mine/output.json"),
    ],
)
def test_what_left_nothing_to_go_on_from_is_not_resumed(
    server: Kaggle, folder: Path, version: dict[str, Any], says: str
) -> None:
    kaggle("push", "mine")
    server.put(HANDLE, **version)
    refused(kaggle("push", "mine", "--resume"), says)
    assert len(server.kernels[HANDLE]) == 1


def test_without_its_number_in_the_answer_the_version_is_asked_for(
    server: Kaggle, folder: Path
) -> None:
    server.tells_versions = False
    kaggle("push", "mine")
    assert kaggle("push", "mine").stdout.startswith(f"{HANDLE} version 2")


LOG = [{"stream_name": "stdout", "time": 60.0 * k, "data": f"step {k}\n"} for k in range(1, 4)]


def test_watch_tells_state_log_and_time_and_ends_with_the_kernel(
    server: Kaggle, folder: Path
) -> None:
    kaggle("push", "mine")
    server.put(HANDLE, states=["QUEUED", "RUNNING", "COMPLETE"], log=LOG)
    told = kaggle("watch", "mine")
    assert told.exit_code == 0, told.output
    assert told.stdout.splitlines() == [
        f"{HANDLE}: queued",
        f"{HANDLE}: running",
        "[0:01] step 1",
        "[0:02] step 2",
        "[0:03] step 3",
        f"{HANDLE}: complete, 0:03 h used, 11:57 h left",
        "complete: tunix-rt-nb kaggle pull mine",
    ]


def test_watch_goes_on_where_it_was_stopped_or_cut(server: Kaggle, folder: Path) -> None:
    kaggle("push", "mine")
    server.put(HANDLE, states=["RUNNING", "COMPLETE"], log=LOG)
    server.faults["line"] = [1]
    told = kaggle("watch", "mine").stdout
    assert [told.count(f"step {k}") for k in (1, 2, 3)] == [1, 1, 1]
    with (folder / "kaggle.jsonl").open("a") as log:
        log.write('{"half a li')
    server.put(HANDLE, log=[*LOG, {"stream_name": "stdout", "time": 240.0, "data": "last\n"}])
    told = kaggle("watch", "mine").stdout
    assert "step" not in told
    assert "[0:04] last" in told


@pytest.mark.parametrize(
    "event",
    [
        5,
        None,
        {"data": None},
        {"data": "x", "time": "soon"},
        {"data": "\ud83d half", "time": 1},
        {"data": "x", "time": float("nan")},
        {"data": ["x"], "time": {}, "stream_name": 3},
    ],
)
def test_an_odd_event_does_not_end_the_log(server: Kaggle, folder: Path, event: Any) -> None:
    kaggle("push", "mine")
    server.put(HANDLE, states=["RUNNING", "COMPLETE"], log=[LOG[0], event, LOG[2]])
    told = kaggle("watch", "mine")
    assert told.exit_code == 0, told.output
    assert "[0:03] step 3" in told.stdout
    assert "step" not in kaggle("watch", "mine").stdout


def test_a_log_that_comes_whole_is_told_as_one_that_comes_in_lines(
    server: Kaggle, folder: Path
) -> None:
    kaggle("push", "mine")
    server.put(HANDLE, log=LOG)
    server.blob_logs = True
    assert "[0:03] step 3" in kaggle("watch", "mine").stdout
    assert "step" not in kaggle("watch", "mine").stdout


def test_what_is_left_of_a_session_is_told_again_as_it_runs(server: Kaggle, folder: Path) -> None:
    without_training(folder)
    kaggle("push", "mine", "--force")
    hours = [{"stream_name": "stdout", "time": 1200.0 * k, "data": f"{k}"} for k in range(1, 4)]
    server.put(HANDLE, states=["RUNNING", "COMPLETE"], log=hours)
    assert kaggle("watch", "mine").stdout.splitlines()[1:5] == [
        "[0:20] 1",
        f"{HANDLE}: running, 0:20 h used, 8:40 h left",
        "[0:40] 2",
        f"{HANDLE}: running, 0:40 h used, 8:20 h left",
    ]


def test_a_kernel_that_fails_ends_watch_with_1_and_its_last_errors(
    server: Kaggle, folder: Path
) -> None:
    kaggle("push", "mine")
    error = {"stream_name": "stderr", "time": 61.0, "data": "RuntimeError: accelerator\x1b[0m"}
    server.put(HANDLE, states=["ERROR"], failure="exit status 1", log=[*LOG, error])
    told = kaggle("watch", "mine")
    assert told.exit_code == 1
    assert told.stdout.splitlines()[-2:] == [
        "error: exit status 1",
        "[0:01] RuntimeError: accelerator\ufffd[0m",
    ]


def test_an_empty_log_is_told(server: Kaggle, folder: Path) -> None:
    kaggle("push", "mine")
    server.put(HANDLE, states=["ERROR"])
    told = kaggle("watch", "mine")
    assert told.exit_code == 1
    assert "error: Kaggle gives no reason" in told.stdout
    assert f"its log is empty, see https://www.kaggle.com/code/{HANDLE}" in told.stdout


@pytest.mark.parametrize("fault", [401, 403])
def test_a_log_that_may_not_be_read_does_not_end_watch(
    server: Kaggle, folder: Path, fault: int
) -> None:
    kaggle("push", "mine")
    server.put(HANDLE, states=["RUNNING", "COMPLETE"], log=LOG)
    server.faults["logs"] = [fault]
    assert "step 3" in kaggle("watch", "mine").stdout
    server.faults["GetKernel"] = [fault]
    refused(kaggle("watch", "mine"), "Kaggle")


@pytest.mark.parametrize("fault", [401, 429, 500, HANG, CUT])
def test_watch_bears_what_passes_and_tells_what_stays(
    server: Kaggle, folder: Path, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    kaggle("push", "mine")
    hurry(monkeypatch, fault)
    server.faults["GetKernelSessionStatus"] = [fault]
    told = kaggle("watch", "mine")
    assert told.exit_code == (2 if fault == 401 else 0), told.output
    server.faults["GetKernelSessionStatus"] = [fault] * 5
    refused(kaggle("watch", "mine"), HANDLE)


def test_watch_bears_an_outage_that_ends_other_commands(
    server: Kaggle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kaggle("push", "mine")
    monkeypatch.setattr(account, "TRIES", 2)
    server.faults["GetKernelSessionStatus"] = [500] * 3
    refused(kaggle("pull", "mine"), f"{HANDLE}: Kaggle answers with status 500")
    server.faults["GetKernelSessionStatus"] = [500] * 3
    assert kaggle("watch", "mine").exit_code == 0


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("other", "has no pushed kernel, push one: tunix-rt-nb kaggle push other"),
        ("me/nothing-there", "does not exist on Kaggle, or you may not see it: comp"),
        ("me/x", "kernel: expected OWNER/SLUG, found 'me/x'; a slug has 5 to 50 small letters"),
        ("me/My Kernel", "kernel: expected OWNER/SLUG"),
        ("me/../kernel", "kernel: expected OWNER/SLUG"),
    ],
)
@pytest.mark.parametrize("command", ["watch", "pull"])
def test_a_kernel_that_is_not_there_is_told(
    server: Kaggle, folder: Path, command: str, name: str, says: str
) -> None:
    refused(kaggle(command, name), says)


def test_pull_brings_output_log_and_notebook_into_the_run_folder(
    server: Kaggle, folder: Path
) -> None:
    kaggle("push", "mine")
    output = {**left(folder), "__notebook__.ipynb": b'{"executed": true}'}
    server.put(HANDLE, log=LOG, files=output)
    kaggle("watch", "mine")
    told = kaggle("pull", "mine")
    assert told.exit_code == 0, told.output
    assert told.stdout == f"{folder}\n"
    assert contents(folder) == {
        "run.json",
        "1_generate/out.txt",
        "output.json",
        "kaggle.json",
        "kaggle.jsonl",
        "kernel/kernel.ipynb",
        "kernel/kernel-metadata.json",
        "kernel/plan.json",
        "kernel/kaggle.log",
        "kernel/executed.ipynb",
    }
    assert "step 3" in (folder / "kernel/kaggle.log").read_text()
    assert (folder / "kernel/executed.ipynb").read_text() == '{"executed": true}'
    assert contents(folder.parent) == {f"mine/{name}" for name in contents(folder)}


def elsewhere(server: Kaggle, folder: Path) -> None:
    """Pushes a kernel from here, and then another version of it from another machine."""
    kaggle("push", "mine")
    mine = Version(files=left(folder), log=LOG)
    other = [{"stream_name": "stdout", "time": 60.0 * k, "data": f"other {k}"} for k in range(9)]
    server.put(HANDLE, mine, files={"runs/mine/output.json": b"{}"}, log=other)


def test_it_is_the_version_that_was_pushed_which_is_watched_and_pulled(
    server: Kaggle, folder: Path
) -> None:
    elsewhere(server, folder)
    told = kaggle("watch", "mine").stdout
    assert "step 3" in told
    assert "other" not in told
    assert kaggle("pull", "mine").exit_code == 0
    assert (folder / "1_generate/out.txt").read_text() == "made there"
    assert files.read_json(folder / "kaggle.json")["version"] == 1


def test_by_its_handle_it_is_the_last_version_and_its_log_is_told_from_the_start(
    server: Kaggle, folder: Path
) -> None:
    elsewhere(server, folder)
    kaggle("watch", "mine")
    told = kaggle("watch", HANDLE).stdout
    assert [told.count(f"other {k}") for k in range(9)] == [1] * 9
    assert kaggle("pull", HANDLE).exit_code == 0
    assert files.read_json(folder / "kaggle.json")["version"] == 2


def test_where_kaggle_knows_no_labels_only_the_last_version_is_taken(
    server: Kaggle, folder: Path
) -> None:
    server.knows_labels = False
    kaggle("push", "mine")
    server.put(HANDLE, files=left(folder), log=LOG)
    assert "step 3" in kaggle("watch", "mine").stdout
    assert kaggle("pull", "mine").exit_code == 0
    server.put(HANDLE, Version(), Version())
    says = f"{HANDLE}: Kaggle shows version 3, expected 1"
    refused(kaggle("watch", "mine"), says)
    refused(kaggle("pull", "mine"), says)


def test_the_end_of_the_version_before_does_not_end_watch(server: Kaggle, folder: Path) -> None:
    kaggle("push", "mine")
    kaggle("push", "mine")
    server.put(HANDLE, Version(log=LOG[:1]), states=["QUEUED", "RUNNING", "COMPLETE"], log=LOG)
    told = kaggle("watch", "mine").stdout
    assert told.splitlines()[:2] == [f"{HANDLE}: queued", f"{HANDLE}: running"]
    assert "step 3" in told


def test_pull_takes_more_than_a_page(server: Kaggle, folder: Path) -> None:
    many = {f"file-{k}.bin": str(k).encode() for k in range(1_200)}
    server.put(HANDLE, files=left(folder, many))
    told = kaggle("pull", HANDLE)
    assert told.exit_code == 0, told.output
    assert server.calls.count("ListKernelSessionOutput") == 13
    pulled = folder.parent / "mine"
    assert all((pulled / name).read_bytes() == content for name, content in many.items())


def test_pull_of_a_kernel_by_its_handle_needs_nothing_here(server: Kaggle, folder: Path) -> None:
    output = left(folder)
    server.put("me/tunix-rt-other", files=output)
    told = kaggle("pull", "me/tunix-rt-other")
    assert told.exit_code == 0, told.output
    assert (folder.parent / "other/1_generate/out.txt").read_text() == "made there"
    assert kaggle("watch", "other").exit_code == 0


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "runs/mine/../../../outside",
        "/tmp/outside",
        "..\\outside",
        "a/\x1b",
        "",
        "x" * 2_000,
    ],
)
def test_a_name_that_leaves_the_folder_takes_nothing(
    server: Kaggle, folder: Path, tmp_path: Path, name: str
) -> None:
    kaggle("push", "mine")
    before = contents(tmp_path)
    server.put(HANDLE, files={**left(folder), name: b"evil"})
    before |= {x for x in contents(tmp_path) if x.startswith("there")}
    refused(kaggle("pull", "mine"), f"{HANDLE}: its output has a file with the unsafe name")
    assert contents(tmp_path) == before


def test_an_archive_is_a_file_like_any_other(server: Kaggle, folder: Path, tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../outside.txt", "evil")
    kaggle("push", "mine")
    server.put(HANDLE, files=left(folder, {"evil.zip": path.read_bytes()}))
    assert kaggle("pull", "mine").exit_code == 0
    assert (folder / "evil.zip").read_bytes() == path.read_bytes()
    assert not any("outside" in name for name in contents(tmp_path))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"runs/mine/run.json": b"other"}, "run.json: is new or altered, output.json lacks"),
        ({"runs/mine/new.txt": b"new"}, "new.txt: is new or altered"),
        ({"runs/mine/1_generate/out.txt": None}, "out.txt: is missing, but output.json lists it"),
        ({"runs/mine/output.json": None}, "output.json: is missing, because the kernel was"),
        ({"runs/mine/output.json": b"{"}, "output.json: is not JSON"),
        ({"runs/mine/output.json": b"[]"}, "output.json: is damaged"),
        ({"runs/other/run.json": b"{}"}, "has runs/mine, runs/other, expected runs/mine"),
    ],
)
def test_output_that_is_not_what_was_left_is_not_imported_at_all(
    server: Kaggle, folder: Path, change: dict[str, bytes | None], says: str
) -> None:
    kaggle("push", "mine")
    before = contents(folder)
    changed = {**left(folder), **change}
    server.put(HANDLE, files={name: x for name, x in changed.items() if x is not None})
    refused(kaggle("pull", "mine"), says)
    assert contents(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


@pytest.mark.parametrize("fault", [429, 500, CUT, HANG])
def test_a_download_that_breaks_is_begun_again(
    server: Kaggle, folder: Path, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    kaggle("push", "mine")
    hurry(monkeypatch, fault)
    server.put(HANDLE, files=left(folder))
    server.faults["download"] = [fault]
    assert kaggle("pull", "mine").exit_code == 0
    server.faults["download"] = [fault] * 5
    refused(kaggle("pull", "mine"), "out.txt: ")
    assert (folder / "1_generate/out.txt").read_text() == "made there"


def test_a_kernel_that_runs_or_left_nothing_is_not_pulled(server: Kaggle, folder: Path) -> None:
    kaggle("push", "mine")
    server.put(HANDLE, states=["RUNNING"])
    refused(kaggle("pull", "mine"), f"{HANDLE}: is running: run tunix-rt-nb kaggle watch")
    server.put(HANDLE, states=["ERROR"])
    refused(kaggle("pull", "mine"), "version 1 has no output to pull")


def test_a_run_of_this_machine_is_never_replaced(server: Kaggle, folder: Path) -> None:
    kaggle("push", "mine")
    (folder / "run.json").write_text('{"mine": 1}')
    server.put(HANDLE, files=left(folder))
    for name in ("mine", HANDLE):
        refused(kaggle("pull", name), "holds a run made on this machine, rename that folder first")
    assert (folder / "run.json").read_text() == '{"mine": 1}'
    (folder / "run.json").unlink()
    (folder / "notes.txt").write_text("mine")
    refused(kaggle("pull", "mine"), "holds a run made on this machine, rename that folder first")


def test_what_was_made_of_a_run_since_it_was_pulled_is_never_replaced(
    server: Kaggle, folder: Path
) -> None:
    kaggle("push", "mine")
    server.put(HANDLE, files={**left(folder), "__notebook__.ipynb": b"first"})
    kaggle("pull", "mine")
    (folder / ".chain.lock").touch()
    server.kernels[HANDLE][0].files["__notebook__.ipynb"] = b"second"
    assert kaggle("pull", "mine").exit_code == 0
    assert (folder / "kernel/executed.ipynb").read_text() == "second"
    for name in ("report.html", "run.json"):
        (folder / name).write_text("mine")
        refused(kaggle("pull", "mine"), "was changed since it was pulled, rename that")
        assert (folder / name).read_text() == "mine"
        (folder / "report.html").unlink(missing_ok=True)


@pytest.mark.parametrize("command", ["watch", "pull"])
def test_another_kernel_gets_no_folder_that_is_taken(
    server: Kaggle, folder: Path, command: str
) -> None:
    kaggle("push", "mine")
    server.put("eve/tunix-rt-mine", files=left(folder), log=LOG)
    before = contents(folder)
    refused(kaggle(command, "eve/tunix-rt-mine"), f"{folder}: holds a run of {HANDLE}, rename")
    (folder.parent / "local").mkdir()
    (folder.parent / "local/run.json").write_text("{}")
    server.put("eve/tunix-rt-local", log=LOG)
    refused(kaggle(command, "eve/tunix-rt-local"), "local: holds a run made on this machine")
    assert contents(folder) == before
    assert contents(folder.parent / "local") == {"run.json"}


def test_a_pull_that_is_cut_off_leaves_what_was_there(
    server: Kaggle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kaggle("push", "mine")
    server.put(HANDLE, files=left(folder))
    before, rename = contents(folder), Path.rename

    def cut(path: Path, target: Path) -> Path:
        if target == folder and path.name != "old":
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", cut)
    assert kaggle("pull", "mine").exit_code == 1
    assert contents(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


KILLED = """
import os, signal, sys
from pathlib import Path
from tunix_rt_nb.kaggle import scratch

run_dir, renames = Path(sys.argv[1]), int(sys.argv[2])
seen = 0

def hook(event, arguments):
    global seen
    seen += event == "os.rename"
    if event == "os.rename" and seen > renames:
        os.kill(os.getpid(), signal.SIGKILL)

with scratch.scratch(run_dir) as folder:
    (folder / "run").mkdir()
    (folder / "run/new.txt").touch()
    sys.addaudithook(hook)
    scratch.swap(folder / "run", run_dir, folder)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_the_next_pull_clears_away_what_a_killed_one_left(
    server: Kaggle, folder: Path, renames: int
) -> None:
    kaggle("push", "mine")
    server.put(HANDLE, files=left(folder))
    before = contents(folder)
    subprocess.run([sys.executable, "-c", KILLED, str(folder), str(renames)])
    assert folder.exists() is (renames != 1)
    assert list(folder.parent.glob(".pull-mine-*"))
    with scratch.settled(folder.parent):
        pass
    assert contents(folder) == ({"new.txt"} if renames == 2 else before)
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]
    if renames != 2:
        assert kaggle("pull", "mine").exit_code == 0


@pytest.mark.parametrize("told", ["kernel/plan.json", "run.json"])
def test_a_run_that_an_earlier_version_hid_comes_back(tmp_path: Path, told: str) -> None:
    files.write_json(tmp_path / ".pull-a1_b2c3d" / "old" / told, {"run_id": "mine"})
    (tmp_path / ".pull-empty123").mkdir()
    with scratch.settled(tmp_path):
        pass
    assert contents(tmp_path) == {f"mine/{told}"}
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_run_whose_name_nothing_tells_stays_where_it_is(tmp_path: Path) -> None:
    (tmp_path / ".pull-a1_b2c3d/old/1_generate").mkdir(parents=True)
    with scratch.settled(tmp_path):
        pass
    assert (tmp_path / ".pull-a1_b2c3d/old/1_generate").exists()


def test_a_pull_that_is_at_work_is_left_alone(tmp_path: Path) -> None:
    with (
        scratch.scratch(tmp_path / "runs/mine") as one,
        scratch.scratch(tmp_path / "runs/x") as two,
    ):
        with scratch.settled(tmp_path / "runs"):
            pass
        assert one.exists()
        assert two.exists()
    assert not list((tmp_path / "runs").iterdir())


def test_the_output_of_another_run_is_not_imported(server: Kaggle, folder: Path) -> None:
    kaggle("push", "mine")
    found = {name.replace("runs/mine", "runs/other"): x for name, x in left(folder).items()}
    server.put(HANDLE, files=found)
    refused(kaggle("pull", "mine"), f"{HANDLE}: its output has runs/other, expected runs/mine")
    assert not (folder / "run.json").exists()


def test_what_else_a_kernel_leaves_comes_along(server: Kaggle, folder: Path) -> None:
    kaggle("push", "mine")
    server.put(HANDLE, files={**left(folder), "chart.png": b"chart", "runs/b.txt": b"b"})
    told = kaggle("pull", "mine")
    assert told.exit_code == 0, told.output
    assert (folder / "kernel/output/chart.png").read_bytes() == b"chart"
    assert (folder / "kernel/output/runs/b.txt").read_bytes() == b"b"
    assert (
        f"{HANDLE}: left no __notebook__.ipynb, executed.ipynb is as it was pushed" in told.stderr
    )
    assert kaggle("pull", "mine").exit_code == 0


def test_a_notebook_that_makes_no_run_is_pulled_too(server: Kaggle, folder: Path) -> None:
    kaggle("push", "mine")
    server.put(HANDLE, files={"out.csv": b"1", "__notebook__.ipynb": b"{}"}, log=LOG)
    for _ in range(2):
        told = kaggle("pull", "mine")
        assert told.exit_code == 0, told.output
    assert f"{HANDLE}: has left no run, its files are in kernel/output" in told.stderr
    assert (folder / "kernel/output/out.csv").read_bytes() == b"1"
    assert (folder / "kernel/executed.ipynb").read_text() == "{}"


@pytest.mark.parametrize("state", ["QUEUED", "RUNNING", "NEW_SCRIPT", "CANCEL_REQUESTED"])
def test_what_has_not_ended_is_not_pulled(server: Kaggle, folder: Path, state: str) -> None:
    kaggle("push", "mine")
    server.put(HANDLE, states=[state], files=left(folder))
    refused(kaggle("pull", "mine"), f"{HANDLE}: is {state.lower()}: run tunix-rt-nb kaggle")


@pytest.mark.parametrize(
    "names", [["x" * 300], ["a", "a/b"], ["a/b/c", "a/b"]], ids=["long", "file", "folder"]
)
def test_names_that_no_folder_can_hold_take_nothing(
    server: Kaggle, folder: Path, names: list[str]
) -> None:
    kaggle("push", "mine")
    before = contents(folder)
    server.put(HANDLE, files={**left(folder), **dict.fromkeys(names, b"1")})
    told = kaggle("pull", "mine")
    refused(told, "cannot be written, nothing was pulled")
    assert ".pull-" not in told.output
    assert contents(folder) == before


@pytest.mark.parametrize("name", ["kernel", "kaggle.json", "kaggle.jsonl"])
def test_a_run_that_has_what_is_ours_is_not_taken(server: Kaggle, folder: Path, name: str) -> None:
    kaggle("push", "mine")
    before = contents(folder)
    server.put(HANDLE, files=left(folder, {name: b"theirs"}))
    refused(kaggle("pull", "mine"), f"{HANDLE}: its run contains {name}, which only push")
    assert contents(folder) == before


def test_an_address_that_has_expired_is_asked_for_again(server: Kaggle, folder: Path) -> None:
    kaggle("push", "mine")
    server.put(HANDLE, files=left(folder))
    server.faults["download"] = [403]
    assert kaggle("pull", "mine").exit_code == 0
    server.faults["download"] = [403, 403]
    refused(kaggle("pull", "mine"), f"{HANDLE}: runs/mine/")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("built")
    store = TraceStore(home / "traces")
    store.add(tasks.draw("high_card_duel", 12, seed=0), NOW)
    spec = {"dataset_name": "cards", "selection_strategy": "latest", "eval_fraction": 0.25}
    return dataset.build(store, dataset.DatasetSpec.of(**spec), home)


def test_a_dataset_is_pushed_new_and_then_as_a_version(server: Kaggle, built: Path) -> None:
    before = contents(built)
    told = kaggle("datasets", "push", str(built), "me/all-cards")
    assert told.exit_code == 0, told.output
    assert told.stdout == "me/all-cards/1\n"
    assert kaggle("datasets", "push", str(built), "me/all-cards").stdout == "me/all-cards/2\n"
    for number, version in enumerate(server.datasets["me/all-cards"], start=1):
        mark = json.loads(version.pop(place.MARK))
        assert mark == {"handle": f"me/all-cards/{number}"}
        assert version == {name: (built / name).read_bytes() for name in before}
    assert contents(built) == before


def test_a_dataset_that_kaggle_is_at_work_on_is_waited_for(
    server: Kaggle, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.processes = 3
    assert kaggle("datasets", "push", str(built), "me/all-cards").stdout == "me/all-cards/1\n"
    assert server.processes < 0
    monkeypatch.setattr(uploads, "PROCESSING", 0.05)
    server.processes = 1_000
    told = kaggle("datasets", "push", str(built), "me/all-cards")
    refused(told, "me/all-cards: was pushed, but Kaggle is still processing it: me/all-cards/2 can")


def test_another_version_that_came_in_between_is_told(
    server: Kaggle, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = kaggle_server.Handler.CreateDataset

    def twice(self: Any, request: dict[str, Any]) -> dict[str, Any]:
        told = create(self, request)
        self.server.datasets["me/all-cards"].append({})
        return told

    monkeypatch.setattr(kaggle_server.Handler, "CreateDataset", twice)
    told = kaggle("datasets", "push", str(built), "me/all-cards")
    refused(told, "Kaggle did not make version 1, version 2 exists already: push again")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A trained model in its run."""
    folder = tmp_path / "runs/mine/4_train/model"
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer.model", "README.md"):
        (folder / name).write_text(f"the {name}")
    return folder


VARIATION = "me/card-player/transformers/default"


def test_a_model_is_pushed_new_and_then_as_a_version(server: Kaggle, model: Path) -> None:
    told = kaggle("models", "push", "mine", "me/card-player")
    assert told.exit_code == 0, told.output
    assert told.stdout == f"{VARIATION}/1\n"
    assert kaggle("models", "push", str(model), "me/card-player").stdout == f"{VARIATION}/2\n"
    first, second = server.models["me/card-player"]
    assert first == second == {path.name: path.read_bytes() for path in model.iterdir()}


@pytest.mark.parametrize("fault", [CUT, HANG, 503])
def test_an_upload_that_breaks_goes_on_and_shows_no_address(
    server: Kaggle, model: Path, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    monkeypatch.setattr(account, "TIMEOUT", 0.3)
    server.faults["upload"] = [fault]
    told = kaggle("models", "push", "mine", "me/card-player")
    assert told.exit_code == 0, told.output
    assert told.stdout == f"{VARIATION}/1\n"
    assert "http://localhost" not in told.output
    [pushed] = server.models["me/card-player"]
    assert pushed == {path.name: path.read_bytes() for path in model.iterdir()}


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        ({"CreateModel": ["slug in use"]}, "me/card-player: Kaggle refuses it: slug in use"),
        ({"CreateModel": [401]}, "me/card-player: Kaggle refuses the credentials"),
        ({"CreateModelInstance": [500]}, "me/card-player: Kaggle answers with status 500"),
        ({"CreateModelInstance": ["too large"]}, "me/card-player: Kaggle refuses it: too large"),
        ({"upload": [HANG] * 9}, "could not be uploaded, nothing was pushed"),
    ],
)
def test_a_model_that_cannot_be_pushed_is_told_and_can_be_pushed_again(
    server: Kaggle,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    faults: dict[str, list[Any]],
    says: str,
) -> None:
    monkeypatch.setattr(account, "TIMEOUT", 0.2)
    server.faults.update(faults)
    refused(kaggle("models", "push", "mine", "me/card-player"), says)
    assert not server.models.get("me/card-player")
    server.faults.clear()
    assert kaggle("models", "push", "mine", "me/card-player").stdout == f"{VARIATION}/1\n"


@pytest.mark.parametrize(
    ("handle", "faults", "says"),
    [
        ("cards", {}, "dataset: expected OWNER/SLUG, found 'cards'"),
        ("me/Cards!", {}, "dataset: expected OWNER/SLUG"),
        ("me/cards", {}, "a slug has 6 to 50 small letters"),
        ("me/all-cards", {"upload": [400]}, "could not be uploaded, nothing was pushed"),
        ("me/all-cards", {"CreateDataset": ["title in use"]}, "Kaggle refuses it: title in use"),
        ("me/all-cards", {"CreateDataset": [500]}, "Kaggle answers with status 500"),
        ("me/all-cards", {"GetDataset": [401]}, "Kaggle refuses the credentials"),
    ],
)
def test_a_dataset_that_cannot_be_pushed_is_told(
    server: Kaggle, built: Path, handle: str, faults: dict[str, list[Any]], says: str
) -> None:
    server.faults.update(faults)
    refused(kaggle("datasets", "push", str(built), handle), says)
    assert server.datasets == {}


def test_a_folder_without_a_model_is_not_pushed(server: Kaggle, tmp_path: Path) -> None:
    refused(kaggle("models", "push", str(tmp_path), "me/card-player"), "has no config.json")
    refused(kaggle("models", "push", "never", "me/card-player"), "is not a model folder")


def test_the_key_is_found_nowhere(server: Kaggle, folder: Path, tmp_path: Path) -> None:
    kaggle("push", "mine")
    server.put(HANDLE, files=left(folder), log=LOG)
    told = [kaggle(*command) for command in (["watch", "mine"], ["pull", "mine"])]
    server.faults["SaveKernel"] = [401]
    told.append(kaggle("push", "mine"))
    assert not any(secret in result.output for result in told for secret in SECRETS)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 8
    assert not any(KEY.encode() in path.read_bytes() for path in written)
    assert not any(KEY in json.dumps(asked) for asked in server.pushed(HANDLE))
    assert os.environ["KAGGLE_KEY"] == KEY


@pytest.mark.parametrize("name", ["kaggle.json", "access_token", "credentials.json"])
def test_status_knows_where_credentials_may_be(
    server: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(variable, raising=False)

    def login() -> str:
        return next(row["state"] for row in status.rows() if row["component"] == "kaggle login")

    assert login() == "missing"
    (tmp_path / "user/.kaggle").mkdir(parents=True)
    (tmp_path / "user/.kaggle" / name).touch()
    assert login() == "found"
