"""Every example in a docstring says what really comes out."""

import doctest
import importlib
import pkgutil

import pytest

import tunix_rt_nb

MODULES = [
    found.name
    for found in pkgutil.walk_packages(tunix_rt_nb.__path__, "tunix_rt_nb.")
    if not found.name.endswith("__main__")
]

# Tunix 0.1.7 uses names that JAX 0.10 and Flax 0.12 have deprecated
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize("name", MODULES)
def test_examples_come_out_as_they_say(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
