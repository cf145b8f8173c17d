"""The key of a step: a hash of everything that its outputs depend on."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunix_rt_nb.common import files
from tunix_rt_nb.host import paths, plugins
from tunix_rt_nb.runs.folder import FORMAT, GROUND, READS, ROOMS, content_hash, notebook_of, stem
from tunix_rt_nb.runs.parameters import named_files
from tunix_rt_nb.trace import inputs as sources


def reads(step: str, parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the steps whose outputs a step reads; none if its `DATASET` replaces them."""
    return () if parameters.get("DATASET") else READS[step]


def key_of(run_dir: Path, step: str, parameters: Mapping[str, Any]) -> str:
    """Hash everything that a step's outputs depend on.

    Hash its code, its parameters, the outputs that it reads, and the files that parameters name.
    """
    earlier = reads(step, parameters)
    inputs = [content_hash(run_dir / stem(name)) for name in earlier]
    named = [Path(name) for name in named_files(parameters)]
    folders = [Path(parameters[name]) for name in ("DATASET", "MODEL") if parameters.get(name)]
    named += sorted(path for folder in folders for path in folder.glob("*") if path.is_file())
    own = [Path(name) for name in parameters.get("IMPORT", ())]
    named += [path for folder in own if folder.is_dir() for path in sources.files_of(folder)]
    if "tasks" in ROOMS[step]:
        named += plugins.sources()
    read = {str(path): files.sha256(path) for path in named}
    if any(name.startswith("EVAL_SET") for name in parameters):  # it may name one that ships
        read |= {path.name: files.sha256(path) for path in paths.EVAL_SETS.glob("*.jsonl")}
    return files.digest([FORMAT, _code_hash(step), parameters, inputs, read])


def _code_hash(step: str) -> str:
    """Hash the code of a step's notebook and of the subpackages that it uses.

    No other code counts, so a change to other code does not make the step run again.
    """
    notebook = json.loads(notebook_of(step).read_text(encoding="utf-8"))
    cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    found = hashlib.sha256(json.dumps(cells).encode())
    for room in (*GROUND, *ROOMS[step]):
        for path in paths.sources(paths.PACKAGE / room):
            name = path.relative_to(paths.PACKAGE).as_posix()
            found.update(f"{name}\0".encode() + path.read_bytes())
    return found.hexdigest()
