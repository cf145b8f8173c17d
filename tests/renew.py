"""Renews what is generated and checked in: `python -m tests.renew readme`, `notebooks` or `logits`.

The last one needs PyTorch.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import click
import nbformat
from nbclient import NotebookClient

from tests.helpers.gemma import CONFIGS, SHOWN, checkpoint, transformers_logits
from tunix_rt_nb.cli import main

ROOT = Path(__file__).parent.parent
LOGITS = ROOT / "tests" / "golden" / "logits.json"
START, END = "<!-- commands: python -m tests.renew readme -->", "<!-- end of commands -->"


def reference() -> str:
    """The help of every command, as it stands in the README."""
    blocks = [_help(command, path) for path, command in _commands(main, ("tunix-rt-nb",))]
    return "\n\n".join([START, *blocks, END])


def _commands(
    group: click.Group, path: tuple[str, ...]
) -> list[tuple[tuple[str, ...], click.Command]]:
    found: list[tuple[tuple[str, ...], click.Command]] = []
    for name, command in group.commands.items():
        here = (*path, name)
        found += _commands(command, here) if isinstance(command, click.Group) else [(here, command)]
    return found


def _help(command: click.Command, path: tuple[str, ...]) -> str:
    context = click.Context(
        command, info_name=" ".join(path), terminal_width=88, **main.context_settings
    )
    name = " ".join(path[1:])
    text = f"```text\n{command.get_help(context)}\n```"
    return f"<details>\n<summary><code>{name}</code>: {_summary(command)}</summary>\n\n{text}\n</details>"


def _summary(command: click.Command) -> str:
    return (command.help or "").split("\n\n")[0].replace("\n", " ").strip()


def renew_readme() -> None:
    readme = ROOT / "README.md"
    text = readme.read_text()
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    readme.write_text(before + reference() + after)


def renew_notebooks() -> None:
    """Executes every notebook in place, one after the other, in a home of their own."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["TUNIX_RT_HOME"] = home
        for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
            notebook = nbformat.read(path, as_version=4)
            client = NotebookClient(
                notebook,
                record_timing=False,
                extra_arguments=["--IPKernelApp.log_level=50"],
                resources={"metadata": {"path": str(path.parent)}},
            )
            client.execute()
            notebook.metadata["language_info"] = {"name": "python"}
            nbformat.write(notebook, path)
            print(path.relative_to(ROOT), flush=True)


def renew_logits() -> None:
    """What Transformers makes of each small checkpoint."""
    with tempfile.TemporaryDirectory() as home:
        lines = []
        for name, config in CONFIGS.items():
            found = transformers_logits(checkpoint(Path(home) / name, config))[SHOWN]
            lines.append(f"{json.dumps(name)}: {json.dumps(found.round(5).tolist())}")
    LOGITS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    {"readme": renew_readme, "notebooks": renew_notebooks, "logits": renew_logits}[sys.argv[1]]()
