import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def declared() -> dict[str, str]:
    """Return what `make` installs: everything but the extras for other machines."""
    extras = PROJECT["optional-dependencies"]
    groups = [
        PROJECT["dependencies"],
        *(extras[name] for name in ("gym", "train", "notebook", "tpu", "kaggle", "test")),
    ]
    found = [Requirement(text) for group in groups for text in group]
    return {r.name.lower(): str(r.specifier) for r in found}


def lines_of(*locks: str) -> list[str]:
    return [line for lock in locks for line in (ROOT / lock).read_text().splitlines()]


def test_environment_yml_and_pyproject_never_disagree() -> None:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pip = listed.pop()["pip"]
    assert pip.pop() == "-e ."
    found = {r.name.lower(): str(r.specifier) for r in map(Requirement, [*listed, *pip])}
    python = found.pop("python")
    assert set(python.split(",")) == set(PROJECT["requires-python"].split(","))
    assert found.pop("pip") == ""
    assert found.pop("pycosat") == ""  # reasoning-gym needs it; PyPI has no wheel, conda-forge does
    assert found == declared()


def test_the_locks_hold_every_dependency_at_a_version_that_fits() -> None:
    locked: dict[str, list[str]] = {}
    for line in lines_of("requirements.lock", "requirements-test.lock"):
        requirement = Requirement(line)
        [pin] = requirement.specifier
        assert pin.operator == "=="
        locked.setdefault(requirement.name.lower(), []).append(pin.version)
    for name, specifier in declared().items():
        assert name in locked, f"{name}: run make lock"
        assert all(v in Requirement(f"x{specifier}").specifier for v in locked[name])


def test_running_needs_nothing_of_the_lock_for_tests() -> None:
    run, test = (
        {Requirement(line).name for line in lines_of(lock)}
        for lock in ("requirements.lock", "requirements-test.lock")
    )
    assert not run & test
    assert {"libtpu", "open-spiel", "pytest", "playwright", "mypy"} <= test
    # Each is named by another package, and neither imported nor missed; see the Makefile.
    assert not {"pycosat", "numba", "llvmlite", "rfc3987-syntax"} & (run | test)


def locked(python: str) -> dict[str, str]:
    """Return what the lock installs beside a version of Python."""
    here = {"python_full_version": f"{python}.9", "python_version": python}
    lines = map(Requirement, lines_of("requirements.lock"))
    fit = [line for line in lines if line.marker is None or line.marker.evaluate(here)]
    return {line.name: str(line.specifier) for line in fit}


def test_both_pythons_get_the_same_jax_flax_and_numpy() -> None:
    one, other = locked("3.11"), locked("3.12")
    for name in ("jax", "jaxlib", "flax", "optax", "numpy", "orbax-checkpoint", "google-tunix"):
        assert one[name] == other[name]


def test_every_folder_and_query_is_packaged() -> None:
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert setup["packages"]["find"]["include"] == ["tunix_rt_nb*"]
    files = [p for p in (ROOT / "tunix_rt_nb").rglob("*.*") if p.suffix != ".pyc"]
    assert {p.parent for p in files} == {p.parent for p in files if p.name == "__init__.py"}
    data = {f"*{p.suffix}" for p in files} - {"*.py"}
    assert data <= set(setup["package-data"]["*"])


def test_the_readme_names_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert re.search(r"^make run$", readme, re.MULTILINE)
    assert re.search(r"^make test$", readme, re.MULTILINE)
