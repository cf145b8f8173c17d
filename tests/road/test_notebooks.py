"""The notebooks that ship: their form, and their stored outputs, compared by nbval."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from tunix_rt_nb import runs
from tunix_rt_nb.common import files
from tunix_rt_nb.host import paths
from tunix_rt_nb.runs import parameters

ROOT = paths.PROJECT
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]_*.ipynb"))  # the panel shows no outputs


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def unexecuted(notebook: NotebookNode) -> list[str]:
    """The cells that nbval would pass in silence because they were never executed."""
    return [cell.source for cell in code(notebook) if cell.execution_count is None]


def test_the_first_notebooks_are_those_of_the_steps() -> None:
    steps = [runs.stem(step) for step in runs.STEPS]
    assert [path.stem for path in NOTEBOOKS[: len(steps)]] == steps


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_short_and_defines_no_function(path: Path) -> None:
    source = "\n".join(cell.source for cell in code(read(path))[1:])
    lines = [x for x in source.splitlines() if x.strip() and not x.lstrip().startswith("#")]
    assert len(lines) <= 100
    defined = [
        n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef | ast.Lambda)
    ]
    assert defined == []


def test_every_notebook_begins_with_the_same_cell_which_is_short_and_collapsed() -> None:
    first = {code(read(path))[0].source for path in NOTEBOOKS}
    assert len(first) == 1
    assert len(first.pop().splitlines()) <= 18
    hidden = [code(read(path))[0].metadata["jupyter"]["source_hidden"] for path in NOTEBOOKS]
    assert hidden == [True] * len(NOTEBOOKS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_its_one_parameters_cell_is_typed_and_commented(path: Path) -> None:
    tagged = [c for c in code(read(path)) if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1
    for line in tagged[0].source.splitlines():
        assert ": " in line.split("=")[0], f"no type: {line}"
        assert "  # " in line, f"no comment: {line}"
    assert "RUN_DIR" in parameters.declared(path)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_it_is_committed_with_its_outputs_and_quiet(path: Path) -> None:
    notebook = read(path)
    assert unexecuted(notebook) == []
    counts = [cell.execution_count for cell in code(notebook)]
    assert counts == list(range(1, len(counts) + 1)), "run make notebooks"
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    assert outputs
    assert [o for o in outputs if o.get("name") == "stderr" or o.output_type == "error"] == []
    assert notebook.metadata.kernelspec.name == "python3"


def test_a_notebook_without_outputs_is_refused() -> None:
    notebook = read(NOTEBOOKS[0])
    for cell in code(notebook):
        cell.outputs, cell.execution_count = [], None
    assert unexecuted(notebook) != []


def nbval(notebooks: list[Path], home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull),
            *("--nbval", "--nbval-current-env", "--nbval-cell-timeout", "900"),
            *("--nbval-sanitize-with", str(ROOT / "tests/nbval.cfg"), "--rootdir", str(ROOT)),
            *map(str, notebooks),
        ],
        env={**os.environ, "TUNIX_RT_HOME": str(home), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home in which all notebooks ran under nbval, in their order, with their defaults."""
    home = tmp_path_factory.mktemp("home")
    told = nbval(NOTEBOOKS, home)
    assert told.returncode == 0, told.stdout[-8000:]
    return home


def test_stored_outputs_are_what_the_notebooks_print(home: Path) -> None:
    assert (home / "runs/notebook/5_evaluate/result.json").exists()


def test_the_notebooks_as_they_are_train_a_model_that_shows_its_work(home: Path) -> None:
    result = files.read_json(home / "runs/notebook/5_evaluate/result.json")
    assert result["before"]["primary_score"] <= 0.05
    for task in ("high_card_duel", "arithmetic"):
        after = result["after"]["category_scores"][task]
        assert after["n"] >= 200
        assert after["score"] >= 0.95
        assert after["steps_right"] >= 0.95


ALTERED = {"every step checked": "no step checked", "✓": "✗", "3600 traces": "3601 traces"}


def test_an_altered_stored_output_fails(tmp_path: Path) -> None:
    notebook = read(NOTEBOOKS[0])
    cells, altered = code(notebook), set()
    for old, new in ALTERED.items():
        at = next(n for n, x in enumerate(cells) if old in str(x.outputs) and n not in altered)
        outputs = ast.literal_eval(repr(dict_of(cells[at].outputs)).replace(old, new))
        cells[at].outputs = [nbformat.from_dict(output) for output in outputs]
        altered.add(at)
    nbformat.write(notebook, tmp_path / NOTEBOOKS[0].name)
    told = nbval([tmp_path / NOTEBOOKS[0].name], tmp_path / "home")
    assert told.returncode == 1
    failed = re.findall(r"^FAILED .*::Cell (\d+)", told.stdout, re.MULTILINE)
    assert {int(n) for n in failed} == altered, told.stdout[-4000:]


def dict_of(node: object) -> object:
    """A notebook node as plain dicts and lists."""
    if isinstance(node, dict):
        return {key: dict_of(value) for key, value in node.items()}
    return [dict_of(x) for x in node] if isinstance(node, list) else node
