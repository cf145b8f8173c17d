"""Kernels pushed, watched and pulled with the real `kaggle` package, from a Kaggle on this machine."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests import kaggle_server
from tests.conftest import NOW
from tests.kaggle_server import CUT, HANG, KEY, Kaggle
from tunix_rt_nb import dataset, files, tasks
from tunix_rt_nb.cli import main
from tunix_rt_nb.kernels import account, session, watching
from tunix_rt_nb.store import TraceStore

pytest.importorskip("kagglesdk")
pytest.importorskip("slugify")  # importing `kaggle` itself would log in

HANDLE = "me/tunix-rt-mine"


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
    for kept in (running.kernels, running.datasets, running.models, running.blobs, running.faults):
        kept.clear()
    running.calls, running.unknown_sources = [], []
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
    plan = {"run_id": "mine", "source": "quickstart", "values": {}, "accelerator": "none"}
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
    plan = {"run_id": "mine", "source": "quickstart", "values": values, "accelerator": machine}
    files.write_json(folder / "kernel/plan.json", plan)


def kaggle(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["kaggle", *arguments])


def refused(result: Result, says: str) -> None:
    assert result.exit_code == 2, result.output
    assert says in result.stderr
    assert result.stderr.splitlines()[-1].startswith("tunix-rt-nb: ")
    assert "Traceback" not in result.output


def left(folder: Path, more: dict[str, bytes] | None = None) -> dict[str, bytes]:
    """What a kernel leaves of a run of two files, with their hashes."""
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


def test_the_request_asks_for_what_was_prepared_and_for_no_image(
    server: Kaggle, folder: Path
) -> None:
    path = folder / "kernel/kernel-metadata.json"
    files.write_json(path, {**files.read_json(path), "machine_shape": "TpuV5E8"})
    kaggle("push", "mine")
    [asked] = server.kernels[HANDLE].pushed
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


def test_a_source_that_kaggle_drops_is_an_error(server: Kaggle, folder: Path) -> None:
    path = folder / "kernel/kernel-metadata.json"
    handle = "google/gemma-3/transformers/gemma-3-1b-pt/1"
    files.write_json(path, {**files.read_json(path), "model_sources": [handle]})
    server.unknown_sources = [handle]
    refused(kaggle("push", "mine"), f"was pushed, but without {handle}")


def test_what_does_not_fit_the_chips_is_not_pushed_unless_forced(
    server: Kaggle, folder: Path
) -> None:
    pytest.importorskip("libtpu")
    on(folder, "TpuV5E8", BATCH_SIZE=3)
    refused(kaggle("push", "mine"), "batch_size: 3 rows do not divide over 8 chips")
    assert server.kernels == {}
    assert kaggle("push", "mine", "--force").exit_code == 0


def test_without_quota_nothing_is_pushed(server: Kaggle, folder: Path) -> None:
    plan = {"run_id": "mine", "source": "mine.ipynb", "values": {}, "accelerator": "TpuV5E8"}
    files.write_json(folder / "kernel/plan.json", plan)
    assert "19.0 of 20.0 h of TPU time are left" in kaggle("push", "mine").stderr
    server.quota["timeUsed"] = "72000s"
    refused(
        kaggle("push", "mine"),
        "quota: no TPU time is left this week (0.0 of 20.0 h), it is renewed Saturday, 28 November",
    )


@pytest.mark.parametrize("name", ["never", "../x"])
def test_what_was_not_prepared_is_not_pushed(server: Kaggle, folder: Path, name: str) -> None:
    says = "plan.json: is missing: tunix-rt-nb kaggle prepare" if name == "never" else "is unsafe"
    refused(kaggle("push", name), says)


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
        ([429] * 5, 5, "Kaggle asks for patience (429), try again in some minutes"),
        ([500], 1, "Kaggle answers 500, try again later"),
        ([HANG], 1, "no answer from Kaggle in 0 s"),
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
    assert len(server.kernels[HANDLE].pushed) == 1


def test_a_connection_cut_after_the_push_does_not_push_twice(server: Kaggle, folder: Path) -> None:
    server.faults["after SaveKernel"] = [CUT]
    assert kaggle("push", "mine").stdout.startswith(f"{HANDLE} version 1")
    assert len(server.kernels[HANDLE].pushed) == 1


def test_resume_attaches_the_output_of_the_last_version(server: Kaggle, folder: Path) -> None:
    refused(kaggle("push", "mine", "--resume"), "there is no version to resume")
    kaggle("push", "mine")
    assert kaggle("push", "mine", "--resume").exit_code == 0
    assert server.kernels[HANDLE].pushed[1]["kernelDataSources"] == [HANDLE]
    kaggle("push", "mine")
    assert not server.kernels[HANDLE].pushed[2].get("kernelDataSources")


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
        f"{HANDLE}: complete, 0:03 h used, 8:57 h left",
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
    server.faults["GetKernelSessionStatus"] = [fault]
    refused(kaggle("watch", "mine"), f"({fault})")


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


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("other", "no kernel was pushed of it: tunix-rt-nb kaggle push other"),
        ("me/nothing-there", "Kaggle knows of none that you may see (404): check owner and slug"),
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
    refused(kaggle("pull", "mine"), f"{HANDLE}: a file of its output is called")
    assert contents(tmp_path) == before


def test_an_archive_is_a_file_like_any_other(server: Kaggle, folder: Path, tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../outside.txt", "evil")
    server.put(HANDLE, files=left(folder, {"evil.zip": path.read_bytes()}))
    kaggle("push", "mine")
    assert kaggle("pull", "mine").exit_code == 0
    assert (folder / "evil.zip").read_bytes() == path.read_bytes()
    assert not any("outside" in name for name in contents(tmp_path))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"runs/mine/run.json": b"other"}, "run.json: is not what the kernel left, its sha256"),
        ({"runs/mine/new.txt": b"new"}, "new.txt: is not what the kernel left"),
        ({"runs/mine/1_generate/out.txt": None}, "out.txt: is missing, though the kernel left it"),
        ({"runs/mine/output.json": None}, "output.json: is missing, the kernel was ended before"),
        ({"runs/mine/output.json": b"{"}, "output.json: is not JSON"),
        ({"runs/mine/output.json": b"[]"}, "output.json: is damaged"),
        ({"runs/other/run.json": b"{}"}, "left 4 files and 2 run folders, expected one"),
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
    refused(kaggle("pull", "mine"), f"{HANDLE}: is running: tunix-rt-nb kaggle watch, then pull")
    server.put(HANDLE, states=["ERROR"])
    refused(kaggle("pull", "mine"), "left 0 files and no run folders, expected one: see https://")


def test_a_run_of_this_machine_is_never_replaced(server: Kaggle, folder: Path) -> None:
    (folder / "run.json").write_text('{"mine": 1}')
    server.put(HANDLE, files=left(folder))
    refused(kaggle("pull", HANDLE), "has a run of this machine, rename it first")
    assert (folder / "run.json").read_text() == '{"mine": 1}'


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
    for version in server.datasets["me/all-cards"]:
        assert version == {name: (built / name).read_bytes() for name in before}
    assert contents(built) == before


def test_a_model_is_pushed_new_and_then_as_a_version(server: Kaggle, tmp_path: Path) -> None:
    model = tmp_path / "runs/mine/4_train/model"
    model.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer.model", "README.md"):
        (model / name).write_text(f"the {name}")
    variation = "me/card-player/transformers/default"
    told = kaggle("models", "push", "mine", "me/card-player")
    assert told.exit_code == 0, told.output
    assert told.stdout == f"{variation}/1\n"
    assert kaggle("models", "push", str(model), "me/card-player").stdout == f"{variation}/2\n"
    first, second = server.models["me/card-player"]
    assert first == second == {path.name: path.read_bytes() for path in model.iterdir()}


@pytest.mark.parametrize(
    ("handle", "faults", "says"),
    [
        ("cards", {}, "dataset: expected OWNER/SLUG, found 'cards'"),
        ("me/Cards!", {}, "dataset: expected OWNER/SLUG"),
        ("me/cards", {}, "a slug has 6 to 50 small letters"),
        ("me/all-cards", {"upload": [400]}, "could not be uploaded, nothing was pushed"),
        ("me/all-cards", {"CreateDataset": ["title in use"]}, "Kaggle refuses it: title in use"),
        ("me/all-cards", {"CreateDataset": [500]}, "Kaggle answers 500"),
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
    refused(kaggle("models", "push", "never", "me/card-player"), "is no model folder")


def test_the_key_is_found_nowhere(server: Kaggle, folder: Path, tmp_path: Path) -> None:
    kaggle("push", "mine")
    server.put(HANDLE, files=left(folder), log=LOG)
    told = [kaggle(*command) for command in (["watch", "mine"], ["pull", "mine"])]
    server.faults["SaveKernel"] = [401]
    told.append(kaggle("push", "mine"))
    assert not any(KEY in result.output for result in told)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 8
    assert not any(KEY.encode() in path.read_bytes() for path in written)
    assert not any(KEY in json.dumps(asked) for asked in server.kernels[HANDLE].pushed)
    assert os.environ["KAGGLE_KEY"] == KEY
