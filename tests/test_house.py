"""The rules of the house that no linter holds: rooms, faces, docstrings, names in tests."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunix_rt_nb.host.paths import PACKAGE, PROJECT

ROOMS = (
    *("common", "host", "trace", "runs", "tasks", "store", "dataset", "models", "render"),
    *("train", "evaluate", "improve", "report", "kaggle", "panel", "cli"),
)
MODULES = sorted(PACKAGE.rglob("*.py"))
# A function's docstring says what it does, so its first word is none of these.
NO_VERBS = {
    *("a", "about", "all", "an", "and", "any", "as", "at", "by", "each", "every", "for", "from"),
    *(
        "given",
        "how",
        "in",
        "it",
        "its",
        "more",
        "most",
        "much",
        "no",
        "not",
        "nothing",
        "of",
        "on",
    ),
    *("one", "only", "or", "other", "some", "such", "that", "the", "their", "there", "these"),
    *("they", "this", "those", "to", "two", "what", "when", "where", "whether", "which", "who"),
    *("whose", "why", "with", "within", "without"),
}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def face(room: str) -> set[str]:
    """The names that a room's `__init__` hands out; that of a lazy one has them in a stub."""
    stub = PACKAGE / room / "__init__.pyi"
    found = tree(stub if stub.exists() else PACKAGE / room / "__init__.py")
    imports = [node for node in ast.walk(found) if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in imports for alias in node.names}


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    yield from (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef))


def is_property(function: ast.FunctionDef) -> bool:
    return any("property" in ast.dump(decorator) for decorator in function.decorator_list)


def test_the_package_holds_its_rooms_and_nothing_else() -> None:
    found = {p.name for p in PACKAGE.iterdir() if p.name != "__pycache__"}
    assert found == {*ROOMS, "__init__.py", "README.md"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_face_is_short_and_says_what_its_room_is(room: str) -> None:
    for path in (PACKAGE / room).glob("__init__.py*"):
        assert len(path.read_text().splitlines()) < 40
    assert ast.get_docstring(tree(PACKAGE / room / "__init__.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_is_entered_through_its_face(path: Path) -> None:
    """A name of another room comes from its `__init__`, or is one of that room's modules."""
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith(
            "tunix_rt_nb."
        ):
            continue
        _, room, *inner = str(node.module).split(".")
        if path.parent == PACKAGE or room == room_of(path):
            continue
        assert not inner, f"{path}:{node.lineno}: reaches into {node.module}"
        modules = {p.stem for p in (PACKAGE / room).iterdir()}
        for alias in node.names:
            assert alias.name in face(room) | modules, f"{path}:{node.lineno}: {alias.name}"


@pytest.mark.parametrize("room", ROOMS)
def test_every_function_of_a_face_is_named_in_a_test(room: str) -> None:
    texts = [p.read_text() for p in (PROJECT / "tests").rglob("*.py") if p.name != "test_house.py"]
    whole = "\n".join(texts)
    named = [name for name in sorted(face(room)) if name.islower()]
    missing = [name for name in named if not re.search(rf"\b{name}\b", whole)]
    assert missing == []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_docstring_of_a_function_begins_with_a_verb(path: Path) -> None:
    for function in functions(path):
        text = ast.get_docstring(function) or ""
        if text and not is_property(function):
            first = re.split(r"[^A-Za-z]", text.lstrip("`*"))[0]
            assert first.lower() not in NO_VERBS, (
                f"{path}:{function.lineno}: {text.splitlines()[0]}"
            )


def test_the_readme_is_for_reading_at_one_sitting() -> None:
    assert len((PROJECT / "README.md").read_text().splitlines()) <= 200
