"""A kernel's folder: a notebook that runs on Kaggle without further files, and its metadata.

runs/quickstart/kernel/
  kernel.ipynb           the first cell (checks, installs), the package, and the code to run
  kernel-metadata.json   machine, sources and title, for the `kaggle` package
  plan.json              the steps and parameters, for the checks before a push
"""

import json
import pprint
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from nbformat import NotebookNode

from tunix_rt_nb import runs
from tunix_rt_nb.common import InputError, files, nearest, unknown
from tunix_rt_nb.host import handles
from tunix_rt_nb.kaggle import embedding
from tunix_rt_nb.models import catalog
from tunix_rt_nb.runs import parameters

HOURS = 8.0  # from the start of the session until training stops itself; a TPU session has nine
MOST = 1_000_000  # most bytes of source that Kaggle accepts
_FOLDERS = ("MODEL", "DATASET")  # parameters that may name an attached input


class Accelerator(NamedTuple):
    """A kind of machine on Kaggle.

    Attributes:
      title: its name in the menu of Kaggle's editor.
      found: the backend and number of chips that JAX has to find, such as `tpu 8`; empty for no
        check.
      topology: its TPU, such as `v5e:2x4`, for the memory check before a push; empty without one.
      quota: the weekly quota that its hours count against, tpu or gpu; empty for none.
      hours: the length of a session in hours.

    Source: https://github.com/Kaggle/kaggle-cli/blob/main/docs/kernels.md for the names,
    https://www.kaggle.com/docs/notebooks for the hours.
    """

    title: str
    found: str = ""
    topology: str = ""
    quota: str = ""
    hours: int = 12


ACCELERATORS = {
    "TpuV5E8": Accelerator("TPU v5e-8", "tpu 8", "v5e:2x4", "tpu", 9),
    "TpuV6E8": Accelerator("TPU v6e-8", "tpu 8", "v6e:2x4", "tpu", 9),
    "NvidiaTeslaT4": Accelerator("GPU T4 x2", "gpu 2", "", "gpu"),
    "none": Accelerator("None"),
}


def accelerator(name: str) -> Accelerator:
    """Return the machine with this name on Kaggle, such as `TpuV5E8`.

    Raises:
      InputError: there is no such machine, or it was retired.
    """
    if name in ("Tpu1VmV38", "TpuV38"):
        raise InputError(f"accelerator: {name} (TPU v3-8) was retired, use TpuV5E8")
    if name not in ACCELERATORS:
        raise unknown("accelerator", name, ACCELERATORS)
    return ACCELERATORS[name]


def prepare(
    source: str, values: Mapping[str, Any], run_dir: Path, handle: str, machine: str = "TpuV5E8"
) -> Path:
    """Write the folder of a kernel into a run folder; the same input makes the same bytes.

    Args:
      source: the name or YAML file of a profile, to run all five notebooks with it; or the path
        of a notebook, ending with `.ipynb`.
      values: parameters by name; they override those of the profile or notebook.
      run_dir: the run folder.
      handle: the handle of the kernel, OWNER/SLUG; a push adds your name to SLUG alone.
      machine: a name in `ACCELERATORS`.

    Returns:
      The folder of the kernel.

    Raises:
      InputError: a parameter, the machine or the handle is bad; a parameter names a file on this
        machine; the notebook was never saved; the source is larger than Kaggle accepts; the run
        folder has a run that was made on this machine.
    """
    handles.kernel(handle, owned=False)
    asked_for = accelerator(machine)
    if (run_dir / "run.json").exists() and not (run_dir / "kernel").is_dir():
        raise InputError(f"{run_dir}: holds a run made on this machine, give another --run-id")
    alone = source.endswith(".ipynb")
    given = values if alone else parameters.load_profile(source) | dict(values)
    given = {name.upper(): value for name, value in given.items()}
    if alone:
        notebook = embedding.stripped(embedding.read(Path(source)))
        training = _training(notebook, given)
        own, steps = _notebook(notebook, given, run_dir.name), ["train"] if training else []
        given = training or given
    else:
        own, steps = _chain(run_dir.name, Path(source).stem, given), ["train", "evaluate"]
    plan = {"run_id": run_dir.name, "source": source, "steps": steps, "values": given}
    metadata = _metadata(handle, machine, sources(given))
    made = nbformat.v4.new_notebook(cells=_cells(own, asked_for.found))
    text = _text(embedding.stripped(made))
    folder = run_dir / "kernel"
    with files.atomic(folder / "kernel.ipynb") as file:
        file.write(text.encode())
    files.write_json(folder / "kernel-metadata.json", metadata)
    files.write_json(folder / "plan.json", {**plan, "accelerator": machine})
    return folder


def _cells(own: Iterable[NotebookNode], found: str) -> list[NotebookNode]:
    """Return all cells of a kernel: the first cell, the package's cells, then the kernel's own.

    The first cell checks the accelerator and installs missing packages. The package's cells contain
    this package and unpack it. The cells get running numbers as ids.

    Args:
      own: the kernel's own cells.
      found: the backend and number of chips that JAX has to find, such as `tpu 8`; empty for no
        check.
    """
    made = [embedding.first_cell(found), *embedding.cells(embedding.sources()), *own]
    for k, cell in enumerate(made):
        cell.id = f"cell-{k}"
    return made


def _chain(run_id: str, profile: str, given: Mapping[str, Any]) -> list[NotebookNode]:
    """Build the cells that run all five notebooks, one after the other.

    Args:
      run_id: the id of the run.
      profile: the name of the profile that the parameters are from, to be shown in the kernel.
      given: parameters by name, those of the profile included.
    """
    parameters.resolve(given)
    listed = pprint.pformat(given, width=88, sort_dicts=False)
    return [
        nbformat.v4.new_markdown_cell(
            f"# {run_id}\n\nThe five notebooks of `tunix_rt_nb`, one after the other, with the"
            f" parameters of `{profile}`. The package is in the cells above."
        ),
        nbformat.v4.new_code_cell(
            f"RUN_ID: str = {run_id!r}  # its folder in runs/\n"
            f"HOURS: float = {HOURS}  # of a session of nine, in which training ends itself\n"
            f"PARAMETERS: dict = {listed}",
            metadata={"tags": ["parameters"]},
        ),
        nbformat.v4.new_code_cell(
            "from tunix_rt_nb.kaggle import session\n\n"
            f"session.run(RUN_ID, PARAMETERS, HOURS, profile={profile!r})"
        ),
    ]


def _notebook(notebook: NotebookNode, given: Mapping[str, Any], run_id: str) -> list[NotebookNode]:
    """Build the cells of a kernel that runs a single notebook.

    Insert a cell with the given values after the cell that declares the parameters. Add a first
    cell that calls `session.settle`, and a last one that calls `session.finish`.

    Args:
      notebook: the notebook.
      given: parameters by name; they override those of the notebook.
      run_id: the id of the run.

    Raises:
      InputError: the notebook does not declare a given parameter, or its value has the wrong type.
    """
    own, declared = notebook.cells, _declared(notebook) if given else {}
    for name in given:
        if name not in declared:
            raise unknown("parameter", name, sorted(declared))
    if given:
        ours = parameters.is_ours(declared)
        given = {n: parameters.typed(n, declared[n][0], v, ours) for n, v in given.items()}
        tagged = next(k for k, c in enumerate(own) if "parameters" in c.metadata.get("tags", []))
        text = "\n".join(f"{name} = {value!r}" for name, value in given.items())
        injected = nbformat.v4.new_code_cell(text, metadata={"tags": ["injected-parameters"]})
        own.insert(tagged + 1, injected)
    first, last = f"settle({run_id!r}, hours={HOURS})", f"finish({run_id!r})"
    begin, end = (f"from tunix_rt_nb.kaggle import session\n\nsession.{x}" for x in (first, last))
    return [nbformat.v4.new_code_cell(begin), *own, nbformat.v4.new_code_cell(end)]


def _training(notebook: NotebookNode, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that a notebook trains with: name -> value.

    Return an empty dict unless it declares all parameters of the package's notebook `4_train`.

    Args:
      notebook: the notebook.
      given: parameters by name; they override those of the notebook.
    """
    names = parameters.declared(runs.notebook_of("train")).keys() - parameters.OURS
    try:
        declared = _declared(notebook)
    except InputError:  # its parameters have no types, so it is not ours
        return {}
    if not names <= declared.keys():
        return {}
    return {name: given.get(name, declared[name][1]) for name in sorted(names)}


def by_hand(folder: Path) -> list[str]:
    """Return what to do in Kaggle's editor to run a prepared kernel there, a line for each step.

    Args:
      folder: the folder of the kernel.
    """
    metadata = files.read_json(folder / "kernel-metadata.json")
    machine = ACCELERATORS[files.read_json(folder / "plan.json")["accelerator"]]
    inputs = [*metadata["dataset_sources"], *metadata["model_sources"]]
    return [
        f"In Kaggle's editor: File, Import Notebook, {folder / 'kernel.ipynb'}",
        f"  Title: {metadata['title']}",
        f"  Settings: Accelerator {machine.title}, Internet on",
        *(f"  Add Input: {handle}" for handle in inputs),
        "  Save Version: Save & Run All",
    ]


def kinds_of(notebook: Path) -> dict[str, str]:
    """Return the types of a notebook's parameters: name -> type, as it is annotated there.

    Raises:
      InputError: the notebook was never saved, or a parameter of it has no type.
    """
    declared = _declared(embedding.stripped(embedding.read(notebook)))
    return {name: kind for name, (kind, _) in declared.items()}


def _declared(notebook: NotebookNode) -> dict[str, tuple[str, Any]]:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "notebook.ipynb"
        nbformat.write(notebook, path)
        return parameters.declared(path)


def sources(given: Mapping[str, Any]) -> dict[str, list[str]]:
    """List the models and datasets to attach to a kernel.

    Args:
      given: the kernel's parameters by name.

    Returns:
      dataset_sources: handles of datasets, OWNER/SLUG/VERSION.
      model_sources: handles of models, OWNER/MODEL/FRAMEWORK/VARIATION/VERSION.

    Raises:
      InputError: a handle has no version, or a parameter names a file or folder on this machine.

    Example:
      >>> sources({"MODEL": "gemma3-1b"})["model_sources"]
      ['google/gemma-3/transformers/gemma-3-1b-pt/1']
    """
    found: dict[str, list[str]] = {"dataset_sources": [], "model_sources": []}
    model, data = catalog.named(given.get("MODEL", "tiny")), given.get("DATASET", "")
    if model in catalog.MODELS:
        handle = catalog.MODELS[model].kaggle
        found["model_sources"] += [handle] if handle else []
    elif not handles.is_handle(str(model)):
        near = nearest(str(model), catalog.MODELS)
        known = f"did you mean {near}?" if near else f"give one of {', '.join(catalog.MODELS)},"
        raise InputError(
            f"MODEL: {model} is not on Kaggle: {known} or push it first: tunix-rt-nb kaggle models"
            " push"
        )
    else:
        found["model_sources"].append(handles.model(str(model)))
    if data:
        if not handles.is_handle(str(data)):
            raise InputError(
                f"DATASET: {data} is not on Kaggle, push it first: tunix-rt-nb kaggle datasets push"
            )
        found["dataset_sources"].append(handles.dataset(str(data)))
    local = parameters.named_files({k: v for k, v in given.items() if k not in _FOLDERS})
    if local:
        raise InputError(
            f"{local[0]}: is a file on this machine, build a dataset from it and push the dataset:"
            " tunix-rt-nb kaggle datasets push"
        )
    return found


def _text(notebook: NotebookNode) -> str:
    pushed = len(json.dumps(notebook))  # as the `kaggle` package sends it
    if pushed > MOST:
        raise InputError(
            f"kernel: has {pushed:,} bytes of source, expected at most {MOST:,}: take large texts"
            " and pictures out of the notebook"
        )
    return nbformat.writes(notebook) + "\n"


def _metadata(handle: str, machine: str, attached: Mapping[str, list[str]]) -> dict[str, Any]:
    return {
        "id": handle,
        "title": handle.rpartition("/")[2],  # Kaggle makes the slug from the title
        "code_file": "kernel.ipynb",
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_internet": True,
        **({} if machine == "none" else {"machine_shape": machine}),
        "competition_sources": [],
        "kernel_sources": [],
        **attached,
    }
