"""Kernels as they are prepared, and what they do where they run."""

import base64
import importlib
import io
import json
import lzma
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import tarfile
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from click.testing import CliRunner
from nbformat import NotebookNode
from slugify import slugify

from tunix_rt_nb import kaggle, runs
from tunix_rt_nb.cli import main
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.host import bootstrap, handles, needs, paths, place
from tunix_rt_nb.kaggle import embedding, kernel, session, submission
from tunix_rt_nb.models import catalog

HANDLE = "me/tunix-rt-mine"


def notebook(*cells: str, **metadata: Any) -> NotebookNode:
    """A notebook as someone saved it after running it."""
    output = nbformat.v4.new_output("stream", text="an old output")
    code = [nbformat.v4.new_code_cell(c, outputs=[output], execution_count=7) for c in cells]
    if code:
        code[0].metadata["tags"] = ["parameters"]
    return nbformat.v4.new_notebook(cells=code, metadata=metadata)


def read(folder: Path) -> tuple[NotebookNode, dict[str, Any]]:
    made = nbformat.read(folder / "kernel.ipynb", as_version=4)
    return made, files.read_json(folder / "kernel-metadata.json")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole chain as a kernel."""
    return kernel.prepare("kaggle-tpu", {}, tmp_path_factory.mktemp("a") / "mine", HANDLE)


def test_the_same_input_makes_the_same_bytes(prepared: Path, tmp_path: Path) -> None:
    again = kernel.prepare("kaggle-tpu", {}, tmp_path / "mine", HANDLE)
    for path in sorted(prepared.iterdir()):
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name
    other = kernel.prepare("kaggle-tpu", {"EPOCHS": 3}, tmp_path / "other" / "mine", HANDLE)
    assert (other / "kernel.ipynb").read_bytes() != (again / "kernel.ipynb").read_bytes()


def embedded(made: NotebookNode) -> dict[str, str]:
    """The files of a kernel, as its own cells read them."""
    bootstrap.FILES.clear()
    for cell in made.cells:
        if cell.source.startswith("%%package\n"):
            bootstrap.package("", cell.source.removeprefix("%%package\n"))
    return dict(bootstrap.FILES)


def contents(found: Mapping[str, str]) -> dict[str, bytes]:
    """Return what those files are where they are unpacked."""
    packed = lzma.decompress(base64.b64decode(found[embedding.PACKED])).decode()
    plain = {name: text for name, text in found.items() if name != embedding.PACKED}
    return {name: text.encode() for name, text in {**plain, **bootstrap.split(packed)}.items()}


def test_the_embedded_package_is_what_git_archive_gives(prepared: Path) -> None:
    found = contents(embedded(read(prepared)[0]))
    here = {"cwd": paths.PROJECT, "capture_output": True}
    head = subprocess.run(["git", "archive", "HEAD", "tunix_rt_nb"], **here)  # type: ignore[call-overload]
    if head.returncode:
        pytest.skip("no git checkout")
    package = {name for name in found if name.startswith("tunix_rt_nb/")}
    changed = ["git", "status", "--porcelain", "tunix_rt_nb"]
    if subprocess.run(changed, **here).stdout:  # type: ignore[call-overload]
        pytest.skip("the package has changes that are not committed")
    with tarfile.open(fileobj=io.BytesIO(head.stdout)) as archive:
        files = (member for member in archive if member.isfile())
        members = [m for m in files if Path(m.name).suffix in paths.SOURCES]
        assert package == {member.name for member in members}
        for member in members:
            file = archive.extractfile(member)
            assert file and file.read() == found[member.name]


def test_the_kernel_of_the_whole_chain_is_under_a_megabyte(prepared: Path) -> None:
    assert len(json.dumps(read(prepared)[0])) < 1_000_000


def test_its_metadata_ask_for_a_private_v5e_8_and_for_the_model_in_its_version(
    prepared: Path,
) -> None:
    _, found = read(prepared)
    assert found["machine_shape"] == "TpuV5E8"
    assert found["is_private"] is True
    assert found["id"] == f"me/{slugify(found['title'])}"
    assert found["model_sources"] == ["google/gemma-3/transformers/gemma-3-1b-pt/1"]
    assert not {"docker_image", "docker_image_pinning_type", "enable_gpu"} & found.keys()


@pytest.mark.parametrize("profile", ["kaggle-tpu", "kaggle-tpu-gemma2"])
def test_the_profiles_for_kaggle_name_a_model_that_it_has(profile: str) -> None:
    from tunix_rt_nb.runs import parameters

    values = parameters.load_profile(profile)
    [handle] = kernel.sources(values)["model_sources"]
    assert handles.model(handle) == catalog.MODELS[values["MODEL"]].kaggle


def test_a_notebook_is_stripped_and_has_a_kernelspec(tmp_path: Path) -> None:
    path = tmp_path / "own.ipynb"
    own = notebook("N: int = 1", "print(N)", kaggle={"accelerator": "gpu"}, widgets={"x": {}})
    own.cells[1].metadata["execution"] = {"when": "today"}
    nbformat.write(own, path)
    made, _ = read(kernel.prepare(str(path), {"N": 5}, tmp_path / "own", "me/own-notebook"))
    nbformat.validate(made)
    assert made.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    code = [cell for cell in made.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert not any("execution" in cell.metadata for cell in code)
    tags = [cell.metadata.get("tags") for cell in code]
    assert tags.index(["injected-parameters"]) == tags.index(["parameters"]) + 1


def test_a_prepared_notebook_runs_in_place_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own.ipynb"
    cells = ["N: int = 1", "import tunix_rt_nb\nprint(N, tunix_rt_nb.__file__)"]
    cells += [  # a run of one file, made by this notebook
        "from tunix_rt_nb.runs import chain\nstop = chain.begin('generate')\n"
        "(stop.folder / 'out.txt').write_text('made')\n_ = stop.finish({})"
    ]
    nbformat.write(notebook(*cells), path)
    folder = kernel.prepare(str(path), {"N": 5}, tmp_path / "own", "me/own-notebook", "none")
    working, inputs = tmp_path / "kaggle/working", tmp_path / "kaggle/input"
    working.mkdir(parents=True)
    inputs.mkdir()
    inputs.chmod(stat.S_IREAD | stat.S_IEXEC)
    (working / "__notebook__.ipynb").write_bytes((folder / "kernel.ipynb").read_bytes())
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(working)
    done = papermill.execute_notebook(
        "__notebook__.ipynb", "__notebook__.ipynb", progress_bar=False
    )
    printed = "".join(o.text for c in done.cells for o in c.get("outputs", []) if "text" in o)
    assert "installing nothing, all is there" in printed
    number, at = next(x for x in printed.splitlines() if x.endswith("__init__.py")).split()
    assert number == "5"
    assert "tunix_rt_nb-" in at
    assert (working / "runs/own/1_generate/out.txt").read_text() == "made"
    session.check(working / "runs/own")


NOT_INSTALLED = """
import sys
from pathlib import Path
sys.path[:] = [path for path in sys.path if not Path(path or ".", "tunix_rt_nb").is_dir()]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
"""


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The input folder of an interactive Kaggle session in which the package is not installed."""
    for folder in ("kaggle/working", "kaggle/input", "site"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "site/sitecustomize.py").write_text(NOT_INSTALLED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    monkeypatch.delenv("TUNIX_RT_HOME", raising=False)
    monkeypatch.chdir(tmp_path / "kaggle/working")
    return tmp_path / "kaggle/input"


def test_a_notebook_that_was_imported_by_hand_finds_the_package_among_the_inputs(
    imported: Path,
) -> None:
    attached = imported / "me/tunix_rt_nb-main"
    for name in ("tunix_rt_nb", "notebooks", "data/evalsets"):
        shutil.copytree(paths.PROJECT / name, attached / name)
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(paths.PROJECT / name, attached)
    own = nbformat.read(runs.notebook_of("generate"), as_version=4)
    own.cells.append(nbformat.v4.new_code_cell("print(runs.chain.__file__)"))
    nbformat.write(own, "mine.ipynb")
    few = {"TRACES": {"high_card_duel": 8}}
    done = papermill.execute_notebook("mine.ipynb", "mine.ipynb", few, progress_bar=False)
    code = [cell for cell in done.cells if cell.cell_type == "code"]
    assert code[0].outputs[0].text == "installing nothing, all is there\n"
    assert code[-1].outputs[0].text == f"{attached / 'tunix_rt_nb/runs/chain.py'}\n"
    runs.result(Path("runs/notebook/1_generate"))


def git(folder: Path, *arguments: str) -> str:
    """Run a git command in a folder; return what it prints."""
    me = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    command = ["git", *me, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def first_cell(repository: str = "", commit: str = "") -> subprocess.CompletedProcess[str]:
    """Run the first cell of a notebook with this address; it tells where the package is from."""
    source: str = nbformat.read(runs.notebook_of("generate"), as_version=4).cells[1].source
    for name, value in (("REPOSITORY", repository), ("COMMIT", commit)):
        source, number = re.subn(rf"(?m)^{name} = .*$", f'{name} = "{value}"', source)
        assert number == 1
    code = f"{source}\nimport tunix_rt_nb\nprint(tunix_rt_nb.__file__)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The address of a repository with the package, and the commit before its last one."""
    folder = tmp_path_factory.mktemp("published")
    shutil.copytree(
        paths.PACKAGE, folder / "tunix_rt_nb", ignore=shutil.ignore_patterns("__pycache__")
    )
    git(folder, "init", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "ours")
    (folder / "tunix_rt_nb/__init__.py").write_text("raise SystemExit('of someone else')")
    git(folder, "commit", "-a", "-m", "of someone else")
    return folder.as_uri(), git(folder, "rev-parse", "HEAD~1").strip()


def test_without_an_address_and_an_input_one_line_says_how_to_attach_the_package(
    imported: Path,
) -> None:
    told = first_cell()
    assert told.returncode == 1
    assert told.stderr == (
        "tunix_rt_nb: not found, attach its wheel or folder (Add Input > Upload)\n"
    )


def test_the_package_is_fetched_at_the_commit_and_not_at_what_came_after(
    imported: Path, published: tuple[str, str]
) -> None:
    told = first_cell(*published)
    assert told.returncode == 0, told.stderr
    folder = Path(told.stdout.splitlines()[-1]).parents[1]
    assert git(folder, "rev-parse", "HEAD").strip() == published[1]


def test_a_tag_or_branch_that_is_named_like_the_commit_is_not_taken(
    imported: Path, published: tuple[str, str], tmp_path: Path
) -> None:
    address, commit = published
    git(tmp_path, "clone", "--bare", address, "taken")
    git(tmp_path / "taken", "update-ref", f"refs/tags/{commit}", "HEAD")
    git(tmp_path / "taken", "update-ref", f"refs/heads/{commit}", "HEAD")
    told = first_cell((tmp_path / "taken").as_uri(), commit)
    assert told.returncode == 0, told.stderr
    folder = Path(told.stdout.splitlines()[-1]).parents[1]
    assert (folder / "tunix_rt_nb/__init__.py").read_bytes() == (
        paths.PACKAGE / "__init__.py"
    ).read_bytes()


@pytest.mark.parametrize("commit", ["main", "HEAD", "0" * 40, "", "short"])
def test_nothing_is_run_unless_the_commit_is_there(
    imported: Path, published: tuple[str, str], commit: str
) -> None:
    address, whole = published
    told = first_cell(address, whole[:12] if commit == "short" else commit)
    assert told.returncode == 1
    assert "of someone else" not in told.stderr
    assert "\ntunix_rt_nb: not found, attach" in f"\n{told.stderr}"
    assert "Traceback" not in told.stderr


def test_an_altered_package_is_not_unpacked(prepared: Path) -> None:
    found = embedded(read(prepared)[0])
    bootstrap.FILES["tunix_rt_nb/train/sft.py"] += "# mine\n"
    with pytest.raises(RuntimeError, match="was altered: prepare the kernel again"):
        bootstrap.unpack(embedding.digest(found))


def test_what_is_unpacked_is_byte_by_byte_what_was_embedded(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = embedded(read(prepared)[0])
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "/before")
    folder = bootstrap.unpack(embedding.digest(found))
    unpacked = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert unpacked == contents(found)
    for name in ("data/evalsets/core-v1.jsonl", "tunix_rt_nb/cli/__init__.py"):
        assert unpacked[name] == (paths.PROJECT / name).read_bytes()
    assert os.environ["PYTHONPATH"] == f"{folder}{os.pathsep}/before"


def test_the_first_cell_stops_on_kaggle_where_the_accelerator_is_not_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KAGGLE_KERNEL_RUN_TYPE", raising=False)
    bootstrap.require("tpu 8")
    assert capsys.readouterr().out == "accelerator: cpu 1\n"
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")
    with pytest.raises(RuntimeError, match="JAX finds cpu 1, expected tpu 8: Kaggle started"):
        bootstrap.require("tpu 8")
    monkeypatch.setattr(bootstrap, "PATIENCE", 0.01)
    with pytest.raises(RuntimeError, match=r"finds nothing in 0.01 s, .* Save & Run All"):
        bootstrap.require("tpu 8")


def test_what_is_missing_is_pinned_and_what_is_there_stays(prepared: Path) -> None:
    wanted = needs.needed()
    assert bootstrap.unmet(wanted) == []
    assert bootstrap.unmet({"duckdb>=99": wanted["duckdb>=2.0"]}) == wanted["duckdb>=2.0"]
    assert all("==" in pin for pins in wanted.values() for pin in pins)
    assert not {"jax", "flax", "libtpu"} & {need.split(">")[0] for need in wanted}
    first = read(prepared)[0].cells[0].source
    assert first.startswith(Path(bootstrap.__file__).read_text())
    assert 'require("tpu 8")' in first
    assert all(pin in first for pins in wanted.values() for pin in pins)


def prepare(*arguments: str) -> str:
    told = CliRunner().invoke(main, ["kaggle", "prepare", *arguments])
    assert told.exit_code == 2, told.output
    assert told.stderr.count("\n") == 1
    return told.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing"], "profile: unknown 'nothing'"),
        (
            ["--accelerator", "Tpu1VmV38"],
            "accelerator: Tpu1VmV38 (TPU v3-8) was retired, use TpuV5",
        ),
        (["--accelerator", "TpuV5E9"], "accelerator: unknown 'TpuV5E9', did you mean TpuV5E8?"),
        (["--kernel", "me/My Kernel!"], "kernel: expected [OWNER/]SLUG, found 'me/My Kernel!'"),
        (["--kernel", "me/four"], "a slug has 5 to 50 small letters, digits and single hyphens"),
        (["--run-id", "../x"], "run-id: '../x' is unsafe"),
        (["--set", "STEPS=many"], "STEPS: expected a whole number from 1, found 'many'"),
        (["--set", "STEPZ=1"], "parameter: unknown 'STEPZ', did you mean STEPS?"),
        (
            ["--set", "MODEL=google/gemma-3/transformers/gemma-3-1b-pt"],
            "gemma-3-1b-pt: has no version, add one: google/gemma-3/transformers/gemma-3-1b-pt/1",
        ),
        (["--set", "MODEL=./mine"], "push it first: tunix-rt-nb kaggle models push"),
        (["--set", "DATASET=./mine"], "push it first: tunix-rt-nb kaggle datasets push"),
        (["--set", "DATASET=me/cards/latest"], "dataset: expected OWNER/SLUG/VERSION"),
        (["--set", "IMPORT=[README.md]"], "README.md: is a file on this machine, build a dataset"),
        (["never.ipynb"], "never.ipynb: does not exist, save the notebook first"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    monkeypatch.chdir(paths.PROJECT)
    assert says in prepare("--kernel", HANDLE, *arguments)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a notebook, open it in Jupyter and save it"),
        ("{}", "is not a notebook, open it in Jupyter and save it"),
        (nbformat.writes(notebook()), "has no code, write some and save it"),
        (nbformat.writes(notebook("x = 1" * 300_000)), "of source, expected at most 1,000,000"),
        (nbformat.writes(notebook("N: int = 1")), "parameter: unknown 'M', expected one of: N"),
    ],
    ids=["empty", "no notebook", "no code", "too large", "another parameter"],
)
def test_a_notebook_that_cannot_be_a_kernel_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, says: str
) -> None:
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    path = tmp_path / "own.ipynb"
    path.write_text(text)
    settings = ["--set", "M=1"] if "unknown" in says else []
    assert says in prepare(str(path), "--kernel", HANDLE, *settings)


@pytest.mark.parametrize("length", [38, 40, 50])
def test_a_long_name_makes_a_slug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    name = "a" * length + "-b-c-d-e-f-g-h"
    made = ["kaggle", "prepare", "quickstart", "--accelerator", "none", "--run-id", name]
    told = CliRunner().invoke(main, made)
    assert told.exit_code == 0, told.output


def test_preparing_needs_no_credentials_and_tells_how_to_run_it_in_the_editor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("KAGGLE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "kaggle", None)  # importing it would log in
    monkeypatch.setattr(socket, "socket", None)  # nor is anything asked
    told = CliRunner().invoke(main, ["kaggle", "prepare", "kaggle-tpu"])
    assert told.exit_code == 0, told.output
    folder = tmp_path / "runs/kaggle-tpu/kernel"
    assert told.stdout == f"{folder}\n"
    assert told.stderr.splitlines() == [
        f"In Kaggle's editor: File, Import Notebook, {folder}/kernel.ipynb",
        "  Title: tunix-rt-kaggle-tpu",
        "  Settings: Accelerator TPU v5e-8, Internet on",
        "  Add Input: google/gemma-3/transformers/gemma-3-1b-pt/1",
        "  Save Version: Save & Run All",
        "Or from here: tunix-rt-nb kaggle push kaggle-tpu",
    ]
    assert read(folder)[1]["id"] == "tunix-rt-kaggle-tpu"
    assert kaggle.by_hand(folder) == told.stderr.splitlines()[:-1]


@pytest.mark.parametrize(
    ("name", "settings", "steps"),
    [("train", {"MODEL": "gemma3-1b"}, ["train"]), ("render", {}, []), ("evaluate", {}, [])],
)
def test_a_notebook_that_trains_is_planned_with_what_it_declares(
    tmp_path: Path, name: str, settings: dict[str, Any], steps: list[str]
) -> None:
    folder = kernel.prepare(str(runs.notebook_of(name)), settings, tmp_path / "mine", HANDLE)
    plan = files.read_json(folder / "plan.json")
    assert plan["steps"] == steps
    if steps:
        assert plan["values"]["MODEL"] == "gemma3-1b"
        assert plan["values"]["BATCH_SIZE"] == 2
        with pytest.raises(InputError, match="batch_size: 2 rows do not divide over 8 chips"):
            submission.fits(plan, kernel.accelerator("TpuV5E8"), print)
    cells = [cell.source for cell in read(folder)[0].cells]
    assert any("session.settle('mine', hours=8.0)" in cell for cell in cells)


def test_a_value_is_checked_as_the_notebook_that_has_the_parameter_takes_it(tmp_path: Path) -> None:
    path = tmp_path / "own.ipynb"
    own = ['STYLE: str = "loud"; N: int = 1; RATE: float = 0.5', "print(STYLE, N, RATE)"]
    nbformat.write(notebook(own[0].replace("; ", "\n"), own[1]), path)
    assert kernel.kinds_of(path) == {"STYLE": "str", "N": "int", "RATE": "float"}
    made, _ = read(kernel.prepare(str(path), {"STYLE": "No", "RATE": 2}, tmp_path / "a", HANDLE))
    assert "STYLE = 'No'\nRATE = 2.0" in [cell.source for cell in made.cells]
    ours = str(runs.notebook_of("render"))
    with pytest.raises(InputError, match="STYLE: unknown 'No', expected one of: numbered, tags"):
        kernel.prepare(ours, {"STYLE": "No"}, tmp_path / "b", HANDLE)
    arguments = ["kaggle", "prepare", str(path), "--kernel", HANDLE, "--set", "STYLE=010"]
    told = CliRunner().invoke(main, arguments, env={"TUNIX_RT_HOME": str(tmp_path)})
    assert told.exit_code == 0, told.output
    assert "STYLE = '010'" in [cell.source for cell in read(Path(told.stdout.strip()))[0].cells]


def test_a_run_of_this_machine_is_left_alone(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    (tmp_path / "runs/quickstart").mkdir(parents=True)
    (tmp_path / "runs/quickstart/run.json").write_text("{}")
    says = "runs/quickstart: holds a run made on this machine, give another --run-id"
    assert says in prepare("quickstart", "--kernel", HANDLE)


@pytest.mark.parametrize(
    ("handle", "at"),
    [
        ("me/cards-set/3", "cards-set"),
        ("me/cards-set/3", "datasets/me/cards-set"),
        ("me/cards-set/3", "datasets/me/cards-set/versions/3"),
        ("me/cards-set/3", "datasets/me/cards-set/cards-v1"),
        ("g/gemma-3/transformers/gemma-3-1b/1", "gemma-3/transformers/gemma-3-1b/1"),
        ("g/gemma-3/transformers/gemma-3-1b/1", "models/g/gemma-3/Transformers/gemma-3-1b/1"),
    ],
)
def test_what_is_attached_is_found_in_the_old_and_the_new_layout(
    tmp_path: Path, handle: str, at: str
) -> None:
    (tmp_path / "models/g/gemma-3/transformers/gemma-3-1b/2").mkdir(parents=True)
    with pytest.raises(InputError, match=f"^{handle}: is not attached, use Add Input"):
        place.mounted(handle, tmp_path)
    (tmp_path / at).mkdir(parents=True)
    for name in ("manifest.json", "config.json"):
        (tmp_path / at / name).touch()
    assert place.mounted(handle, tmp_path) == tmp_path / at


def test_a_dataset_that_is_attached_in_another_version_is_not_taken(tmp_path: Path) -> None:
    folder = tmp_path / "datasets/me/cards-set"
    folder.mkdir(parents=True)
    (folder / "manifest.json").touch()
    (folder / place.MARK).write_text('{"handle": "me/cards-set/4"}')
    assert place.mounted("me/cards-set/4", tmp_path) == folder
    with pytest.raises(InputError, match="^me/cards-set/3: is not attached, but me/cards-set/4"):
        place.mounted("me/cards-set/3", tmp_path)


@pytest.mark.parametrize("at", ["tunix-rt-mine", "notebooks/me/tunix-rt-mine"])
def test_the_output_of_an_earlier_kernel_is_found(tmp_path: Path, at: str) -> None:
    assert place.earlier("mine", tmp_path) is None
    (tmp_path / at / "runs/mine").mkdir(parents=True)
    (tmp_path / at / "runs/mine/output.json").touch()
    assert place.earlier("mine", tmp_path) == tmp_path / at / "runs/mine"


def test_secrets_are_taken_from_kaggle_and_what_is_set_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Client:
        def get_secret(self, name: str) -> str:
            return {"HF_TOKEN": "from Kaggle", "KAGGLE_KEY": "other"}[name]

    secrets = types.ModuleType("kaggle_secrets")
    secrets.UserSecretsClient = Client  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kaggle_secrets", secrets)
    for name in (*place.SECRETS, "TUNIX_RT_HOME", "KAGGLE_KERNEL_RUN_TYPE", "COLAB_RELEASE_TAG"):
        monkeypatch.setenv(name, "")  # so that it is as before afterwards
        monkeypatch.delenv(name)
    monkeypatch.setenv("KAGGLE_KEY", "mine")
    monkeypatch.chdir(tmp_path)
    place.settle()
    assert "HF_TOKEN" not in os.environ
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    place.settle()
    assert paths.home() == tmp_path
    found = {name: os.environ.get(name) for name in place.SECRETS}
    assert found == {"HF_TOKEN": "from Kaggle", "KAGGLE_USERNAME": None, "KAGGLE_KEY": "mine"}


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A run folder in which training has left checkpoints."""
    folder = tmp_path / "scratch/runs/mine"
    for name in (
        "last/100/weights",
        "last/200/weights",
        "last/300.orbax-checkpoint-tmp/x",
        "best.safetensors",
        "run.json",
    ):
        path = folder / "4_train/checkpoints" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (folder / ".chain.lock").touch()
    (folder / "run.json").write_text("{}")
    return folder


def kept(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_a_run_that_is_not_over_is_kept_with_its_last_checkpoint(
    trained: Path, tmp_path: Path
) -> None:
    found = session.keep(trained, tmp_path / "working/runs/mine")
    checkpoints = {"last/200/weights", "best.safetensors", "run.json"}
    assert kept(found) == {
        "run.json",
        "output.json",
        *(f"4_train/checkpoints/{name}" for name in checkpoints),
    }
    session.check(found)


def test_what_is_kept_again_is_what_there_is_then(trained: Path, tmp_path: Path) -> None:
    found = session.keep(trained, tmp_path / "working/runs/mine")
    (trained / "4_train/result.json").write_text("{}")
    (trained / "run.json").write_text('{"more": 1}')
    session.keep(trained, found)
    assert kept(found) == {"run.json", "output.json", "4_train/result.json"}
    assert (found / "run.json").read_text() == '{"more": 1}'
    session.check(found)


def test_a_run_that_is_over_is_kept_without(trained: Path, tmp_path: Path) -> None:
    (trained / "4_train/result.json").write_text("{}")
    found = session.keep(trained, tmp_path / "working/runs/mine")
    assert kept(found) == {"run.json", "output.json", "4_train/result.json"}


def test_checkpoints_for_which_there_is_no_room_are_dropped_and_told(
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(session, "ROOM", 20)
    found = session.keep(trained, tmp_path / "working/runs/mine")
    assert kept(found) == {"run.json", "output.json"}
    assert "checkpoints: dropped" in capsys.readouterr().out


def test_the_package_needs_nothing_of_kaggles_to_be_imported() -> None:
    code = "import sys, tunix_rt_nb.kaggle.session; print('kaggle' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
    assert importlib.import_module("tunix_rt_nb.kaggle.__init__")
