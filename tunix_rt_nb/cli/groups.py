"""Groups of commands: help along the road, and a suggestion for a mistyped name."""

from collections.abc import Iterator
from typing import Any

import click

from tunix_rt_nb.common import nearest

# group -> heading -> commands; what is listed nowhere comes last, below `Other commands`
_ROAD: dict[str, dict[str, tuple[str, ...]]] = {
    "": {
        "The whole road": ("run", "sweep", "preflight", "panel"),
        "Generate traces": ("traces", "tasks"),
        "Build datasets": ("datasets", "evalsets", "smoke"),
        "Look at the results": ("runs", "models", "chat", "grade"),
        "Machines": ("kaggle", "status"),
    },
    "traces": {
        "Bring in": ("import",),
        "Look at": ("list", "show", "compare", "score"),
        "Keep in order": ("verify", "delete", "compact"),
    },
    "datasets": {
        "Build": ("build", "merge"),
        "Look at": ("list", "show", "diff"),
        "Use elsewhere": ("export", "tunix-yaml"),
    },
    "runs": {
        "Look at": ("list", "show", "leaderboard", "report", "index"),
        "Compare": ("compare", "baseline"),
        "Ask other judges": ("judge", "harness", "grade"),
        "Stop": ("cancel",),
    },
    "models": {
        "Look at": ("list", "show", "verify"),
        "Keep and use elsewhere": ("promote", "export", "push"),
    },
    "kaggle": {
        "Kernels": ("prepare", "push", "watch", "pull", "run"),
        "Data": ("datasets", "models"),
    },
}


class Group(click.Group):
    """A group whose help shows whole summaries, below headings along the road."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands and their summaries, one section for each heading."""
        first = max(map(len, self.commands), default=0)  # the summaries of all sections line up
        for heading, names in self._sections(_path(ctx)):
            with formatter.section(heading):
                rows = [(f"{name:<{first}}", summary(self.commands[name])) for name in names]
                formatter.write_dl(rows)

    def _sections(self, path: str) -> Iterator[tuple[str, list[str]]]:
        known = _ROAD.get(path, {})
        for heading, names in known.items():
            if found := [name for name in names if name in self.commands]:
                yield heading, found
        listed = {name for names in known.values() for name in names}
        if rest := [name for name in self.commands if name not in listed]:
            yield ("Other commands" if known else "Commands"), rest

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command that `args` begin with; suggest the nearest name for an unknown one."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            near = nearest(args[0], self.commands)
            hint = f"did you mean {near}?" if near else f"expected {', '.join(self.commands)}"
            ctx.fail(f"no such command {args[0]!r}, {hint}")
        return super().resolve_command(ctx, args)


def _path(ctx: click.Context) -> str:
    """Return the names of the groups on the way to this one, such as `kaggle models`."""
    names: list[str] = []
    while ctx.parent:
        names.insert(0, ctx.info_name or "")
        ctx = ctx.parent
    return " ".join(names)


def summary(command: click.Command) -> str:
    """Return the first paragraph of a command's help, as one line without the last full stop."""
    paragraph = (command.help or "").partition("\n\n")[0]
    text = " ".join(paragraph.split())
    return text if text.endswith("...") else text.removesuffix(".")
