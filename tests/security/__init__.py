"""Attacks on whatever reads or shows data that others wrote: `python -m tests.security`.

Each module holds the attacks of one class: `ATTACKS`, and `attempt`, which tries one of them and
tells whether it got through. Its docstring is the name of the class, then what counts as through.
"""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NamedTuple

HEAD = """# Security

[SECURITY.md](../SECURITY.md) says what is promised. This page counts the attacks that are tried
against it, and how many got through. One command repeats them, in about a minute:

```sh
.venv/bin/python -m tests.security
```

It prints the table below, names what got through, and ends with 1 if anything did. The attacks are
in `tests/security/`, one module a class. This page is generated: to renew it, run
`.venv/bin/python -m tests.renew security`. A test compares the two.

"""


class Tried(NamedTuple):
    """A class of attacks: its name, what would be a success, how many were tried, which got through."""

    name: str
    through_if: str
    tried: int
    through: list[Any]


def classes() -> Iterator[Any]:
    """The modules of attacks, in the order of their names."""
    for found in sorted(iter_modules(__path__), key=lambda found: found.name):
        if found.name != "__main__":
            yield import_module(f"{__name__}.{found.name}")


def tried() -> list[Tried]:
    """Tries every attack."""
    return [_tried(module) for module in classes()]


def _tried(module: Any) -> Tried:
    return _named(module, [attack for attack in module.ATTACKS if module.attempt(attack)])


def _named(module: Any, through: list[Any]) -> Tried:
    name, _, through_if = " ".join(module.__doc__.split()).partition(": ")
    return Tried(name, through_if.rstrip("."), len(module.ATTACKS), through)


def expected() -> list[Tried]:
    """Return what `tried` returns if nothing gets through; no attack is tried."""
    return [_named(module, []) for module in classes()]


def page() -> str:
    """The text of docs/security.md."""
    return HEAD + table(expected())


def table(found: list[Tried]) -> str:
    """The attacks by class as a Markdown table."""
    rows = [(one.name, one.through_if, one.tried, len(one.through)) for one in found]
    rows.append(("all", "", sum(row[2] for row in rows), sum(row[3] for row in rows)))
    head = "| attacks by | through if | tried | through |\n| --- | --- | ---: | ---: |\n"
    return head + "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows) + "\n"
