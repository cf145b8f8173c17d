"""Renews what is generated and checked in: `python -m tests.renew commands` and so on.

commands    docs/commands.md
notebooks   the outputs of the notebooks
security    docs/security.md, after every attack in tests/security was tried
address     their first cells and links, with the address in tunix_rt_nb/host/origin.py
pictures    docs/pictures, which README.md shows
logits      tests/golden/logits.json; this needs PyTorch
"""

import json
import os
import re
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import click
import nbformat
from nbclient import NotebookClient

from tests import security
from tests.helpers import pictures
from tests.helpers.gemma import CONFIGS, SHOWN, checkpoint, transformers_logits
from tunix_rt_nb.cli import main
from tunix_rt_nb.host import origin

ROOT = Path(__file__).parent.parent
LOGITS = ROOT / "tests" / "golden" / "logits.json"
COMMANDS = ROOT / "docs" / "commands.md"
SECURITY = ROOT / "docs" / "security.md"
ALONE = "tunix-rt-nb"  # heads the commands that are in no group
HEAD = """# Commands

The help of every command, as `--help` prints it. This page is generated: to renew it, run
`.venv/bin/python -m tests.renew commands`. A test compares the two.

`make run` is `.venv/bin/tunix-rt-nb run`. Bad input ends with one line on stderr and exit code 2; a
run or a check that fails ends with 1. Text has colours on a terminal only, and none if `NO_COLOR`
is set; `--json` prints every figure in full.

The shell completes commands and options after this line, in `~/.bashrc` for Bash; Zsh takes
`zsh_source`, fish `fish_source`. The command has to be on the PATH: `source .venv/bin/activate`.

```sh
eval "$(_TUNIX_RT_NB_COMPLETE=bash_source tunix-rt-nb)"
```"""


def reference() -> str:
    """Return the text of docs/commands.md: a section for each group, its commands and their help."""
    groups: dict[str, list[tuple[str, click.Command]]] = {ALONE: []}
    for path, command in _commands(main, ()):
        group = path[0] if len(path) > 1 else ALONE
        groups.setdefault(group, []).append((" ".join(path), command))
    blocks = [block for group, found in groups.items() for block in _section(group, found)]
    return "\n\n".join([HEAD, *blocks]) + "\n"


def _commands(
    group: click.Group, path: tuple[str, ...]
) -> list[tuple[tuple[str, ...], click.Command]]:
    found: list[tuple[tuple[str, ...], click.Command]] = []
    for name, command in group.commands.items():
        here = (*path, name)
        found += _commands(command, here) if isinstance(command, click.Group) else [(here, command)]
    return found


def _section(group: str, found: list[tuple[str, click.Command]]) -> list[str]:
    rows = [f"| [{name}](#{name.replace(' ', '-')}) | {_summary(one)} |" for name, one in found]
    table = "\n".join(["| command | what it does |", "| --- | --- |", *rows])
    about = _summary(main if group == ALONE else main.commands[group])
    helps = [f"### {name}\n\n```text\n{_help(one, name)}\n```" for name, one in found]
    return [f"## {group}", about, table, *helps]


def _help(command: click.Command, name: str) -> str:
    context = click.Context(
        command, info_name=f"tunix-rt-nb {name}", terminal_width=88, **main.context_settings
    )
    return command.get_help(context)


def _summary(command: click.Command) -> str:
    text = (command.help or "").split("\n\n")[0].replace("\n", " ").strip()
    return text.replace("|", "\\|")


def renew_commands() -> None:
    """Write docs/commands.md anew."""
    COMMANDS.parent.mkdir(exist_ok=True)
    COMMANDS.write_text(reference(), encoding="utf-8")


def renew_notebooks() -> None:
    """Executes every notebook in place, one after the other, in a home of their own."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["TUNIX_RT_HOME"] = home
        for path in sorted((ROOT / "notebooks").glob("[0-9]_*.ipynb")):
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


def links(name: str) -> str:
    """Return the line that opens a notebook on Kaggle and on Colab; empty without an address.

    These are no badges: a badge is a picture on another server, which is missing offline.
    """
    if not origin.REPOSITORY:
        return ""
    at = f"blob/main/notebooks/{name}"
    kaggle = f"https://kaggle.com/kernels/welcome?src={origin.REPOSITORY}/{at}"
    github = urlsplit(origin.REPOSITORY).path
    colab = f"https://colab.research.google.com/github{github}/{at}"
    return f"[Open in Kaggle]({kaggle}) · [Open in Colab]({colab})\n\n"


def renew_address() -> None:
    """Writes the address into the title and the first code cell of every notebook."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        title, first = notebook.cells[:2]
        text = re.sub(r"(?s)\n\n\[Open in .*?\n\n", "\n\n", title.source, count=1)
        title.source = text.replace("\n\n", f"\n\n{links(path.name)}", 1)
        for name in ("REPOSITORY", "COMMIT"):
            line = f'{name} = "{getattr(origin, name)}"'
            first.source = re.sub(rf"(?m)^{name} = .*$", line, first.source)
        nbformat.write(notebook, path)


def renew_pictures() -> None:
    """Draw the pictures of README.md anew."""
    for path, svg in pictures.drawn().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(svg, encoding="utf-8")


def renew_security() -> None:
    """Tries every attack, and writes docs/security.md anew unless one gets through."""
    through = [(one.name, attack) for one in security.tried() for attack in one.through]
    if through:
        sys.exit(f"{len(through)} attacks get through: python -m tests.security names them")
    SECURITY.write_text(security.page(), encoding="utf-8")


def renew_logits() -> None:
    """Return what Transformers makes of each small checkpoint."""
    with tempfile.TemporaryDirectory() as home:
        lines = []
        for name, config in CONFIGS.items():
            found = transformers_logits(checkpoint(Path(home) / name, config))[SHOWN]
            lines.append(f"{json.dumps(name)}: {json.dumps(found.round(5).tolist())}")
    LOGITS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    {
        "commands": renew_commands,
        "notebooks": renew_notebooks,
        "address": renew_address,
        "pictures": renew_pictures,
        "security": renew_security,
        "logits": renew_logits,
    }[sys.argv[1]]()
