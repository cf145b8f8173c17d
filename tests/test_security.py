"""No attack in `tests/security` gets through, and docs/security.md counts them as they are."""

import re
import subprocess
import sys
from typing import Any

import pytest

from tests import security
from tests.renew import ROOT, SECURITY
from tests.security import conditions, filters, html, terminal, yaml_files

MODULES = {module.__name__.rpartition(".")[2]: module for module in security.classes()}
QUICK = ("archives", "conditions", "yaml_files")  # under a second


@pytest.mark.parametrize(
    "module",
    [
        pytest.param(module, id=name, marks=() if name in QUICK else pytest.mark.slow)
        for name, module in MODULES.items()
    ],
)
def test_no_attack_gets_through(module: Any) -> None:
    assert [attack for attack in module.ATTACKS if module.attempt(attack)] == []


def test_there_are_300_attacks_and_120_of_them_are_conditions() -> None:
    assert len(conditions.ATTACKS) >= 120
    assert sum(len(module.ATTACKS) for module in MODULES.values()) >= 300
    for module in MODULES.values():
        texts = list(map(repr, module.ATTACKS))
        assert len(set(texts)) == len(texts), module.__name__


def test_the_page_counts_them() -> None:
    assert SECURITY.read_text(encoding="utf-8") == security.page()


def test_what_is_harmful_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert conditions.attempt("step_count > 3")  # taken
    assert not yaml_files.refused("dataset_name: x")
    raw: Any = {**html._PLACES, "trace": lambda text: f"<p>{text}</p>", "plot": str}
    monkeypatch.setattr(html, "_PLACES", raw)
    html._harmless.cache_clear()
    for text in ("<b>", "$5 and $6", "\u202e", "<!-- x", "\x1b[31m"):
        assert html.attempt(("trace", text))
    assert html.attempt(("plot", "$5 and $6"))
    html._harmless.cache_clear()
    monkeypatch.setattr(terminal, "_PLACES", {"line": str})
    assert terminal.attempt(("line", "\x1b[31m")) and terminal.attempt(("line", "\u202e"))


@pytest.mark.slow
def test_a_filter_that_finds_a_trace_would_be_noticed() -> None:
    assert filters.attempt("task=arithmetic") and filters.attempt("field task")


@pytest.mark.slow
def test_one_command_tries_them_all() -> None:
    command = [sys.executable, "-m", "tests.security"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert done.stdout.strip() in SECURITY.read_text(encoding="utf-8")


def test_the_policy_names_no_address_to_write_to() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert not re.search(r"\S@\S|mailto:", text)
    assert "private vulnerability report" in text and "docs/security.md" in text
