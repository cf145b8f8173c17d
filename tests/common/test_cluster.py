"""Tests of what can be told about Spark without starting it."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tunix_rt_nb.cli.main import main
from tunix_rt_nb.common import InputError, cluster


def test_without_java_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with (
        pytest.raises(InputError, match="^spark: found no Java, install Java 17 or later"),
        cluster.session("local[2]"),
    ):
        pass


def test_without_pyspark_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with (
        pytest.raises(InputError, match=r"pip install 'tunix-rt-nb\[spark\]'$"),
        cluster.session("local[2]"),
    ):
        pass


@pytest.mark.parametrize(
    "arguments",
    [
        ["traces", "verify", "--master", "local[2]"],
        ["traces", "verify", "--engine", "sparc"],
    ],
)
def test_a_master_or_an_engine_that_is_none_is_refused(
    arguments: list[str], tmp_path: Path
) -> None:
    found = CliRunner().invoke(main, [*arguments, "--store", str(tmp_path)])
    assert found.exit_code != 0
    told = str(found.exception) + found.output
    assert "has no effect without --engine spark" in told or "did you mean spark?" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "spark: the cluster stopped"),
        (
            "\n [PATH_NOT_FOUND] Path does not exist\nmore",
            "spark: [PATH_NOT_FOUND] Path does not exist",
        ),
        ("[JAVA_GATEWAY_EXITED] it exited", f"spark: Java did not start, {cluster._JAVA}"),
        (
            "Traceback (most recent call last):\n  File x\ntunix_rt_nb.common.errors.InputError: a: b\n",
            "a: b",
        ),
        (
            "x\nTraceback (most recent call last):\n  y\nModuleNotFoundError: No module named 'z'\n\n\tat j",
            "spark: a worker failed: ModuleNotFoundError: No module named 'z'",
        ),
    ],
)
def test_an_error_of_spark_becomes_one_line(text: str, told: str) -> None:
    assert cluster._told(text) == told
