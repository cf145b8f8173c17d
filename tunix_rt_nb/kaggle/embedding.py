"""The package as cells of a notebook, from which a kernel restores it byte by byte."""

import base64
import hashlib
import lzma
from collections.abc import Iterator, Mapping
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tunix_rt_nb.common import InputError
from tunix_rt_nb.host import bootstrap, needs, paths

_READABLE = tuple(f"tunix_rt_nb/{room}/" for room in ("render", "train"))
PACKED = "package.xz"
_HIDDEN = {"_kg_hide-input": True, "jupyter": {"source_hidden": True}}


def sources() -> dict[str, str]:
    """Collect the package, its eval sets, and the notebooks without outputs: path -> text.

    Kaggle takes at most a million bytes of source. So only the subpackages for the steps render and
    train, and the notebooks, stay plain text. All other files are compressed together (xz, as
    base64) in one file, `PACKED`.

    Raises:
      InputError: there are no notebooks; or a file does not end with a line break, so it could not
        be told apart from the next file in a cell.

    Example:
      >>> {"tunix_rt_nb/train/sft.py", PACKED} <= sources().keys()
      True
    """
    notebooks = sorted(paths.NOTEBOOKS.glob("*.ipynb"))
    if not notebooks:
        raise InputError(f"{paths.NOTEBOOKS}: has no notebooks, run this from a checkout")
    plain: dict[str, str] = {}
    packed: dict[str, str] = {}
    for path in [*paths.sources(), *sorted(paths.EVAL_SETS.glob("*.jsonl"))]:
        top = paths.PROJECT if path.is_relative_to(paths.EVAL_SETS) else paths.IMPORTED_FROM
        name = path.relative_to(top).as_posix()
        files = plain if name.startswith(_READABLE) else packed
        files[name] = path.read_bytes().decode()  # line breaks stay as they are
    for path in notebooks:
        plain[f"notebooks/{path.name}"] = f"{nbformat.writes(stripped(read(path)))}\n"
    for name, content in {**plain, **packed}.items():
        if content and not content.endswith("\n"):
            raise InputError(f"{name}: has to end with a line break to be put into a cell")
    squeezed = lzma.compress(_joined(packed).encode(), preset=9)
    return {**plain, PACKED: base64.encodebytes(squeezed).decode()}


def _joined(files: Mapping[str, str]) -> str:
    """Join files as one text, which `bootstrap.split` splits again."""
    return "".join(f"# ==> {name} <==\n{content}" for name, content in files.items())


def read(path: Path) -> NotebookNode:
    """Read a notebook; raise `InputError` if it is missing, is not a notebook, or has no code."""
    if not path.is_file():
        raise InputError(f"{path}: does not exist, save the notebook first")
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception:  # nbformat raises many kinds of errors for other files
        raise InputError(f"{path}: is not a notebook, open it in Jupyter and save it") from None
    if not any(cell.source.strip() for cell in notebook.cells if cell.cell_type == "code"):
        raise InputError(f"{path}: has no code, write some and save it")
    return notebook


def stripped(notebook: NotebookNode) -> NotebookNode:
    """Remove outputs and metadata, except tags, from a notebook in place, and return it.

    `metadata.kaggle` must go because it would override the machine in `kernel-metadata.json`.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    return notebook


def digest(files: Mapping[str, str]) -> str:
    """Return one sha256 over the paths and texts of all files; `bootstrap.unpack` checks it.

    Args:
      files: path -> text.
    """
    content = "".join(f"{name}\0{files[name]}\0" for name in sorted(files))
    return hashlib.sha256(content.encode()).hexdigest()


def cells(files: Mapping[str, str]) -> Iterator[NotebookNode]:
    """Yield a hidden cell for each folder of files, and a last cell that unpacks them all.

    Args:
      files: path -> text.
    """
    folders: dict[str, list[str]] = {}
    for name in files:
        folders.setdefault(name.rpartition("/")[0], []).append(name)
    for names in folders.values():
        source = "%%package\n" + _joined({name: files[name] for name in names})
        yield nbformat.v4.new_code_cell(source, metadata=_HIDDEN)
    yield nbformat.v4.new_code_cell(f'unpack("{digest(files)}")')


def first_cell(accelerator: str) -> NotebookNode:
    """Build the cell that checks the accelerator and installs missing packages.

    Args:
      accelerator: the backend and number of chips that JAX has to find, such as `tpu 8`; empty for
        no check.
    """
    lines = [Path(bootstrap.__file__).read_text(encoding="utf-8")]
    if accelerator:
        lines.append(f'require("{accelerator}")')
    listed = "".join(f'    "{need}": {pins!r},\n' for need, pins in needs.needed().items())
    lines += [f"install({{\n{listed}}})", 'get_ipython().register_magic_function(package, "cell")']
    return nbformat.v4.new_code_cell("\n".join(lines), metadata=_HIDDEN)
