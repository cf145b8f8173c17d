"""The version of this package's code, exact enough to tell two commits of a checkout apart."""

import subprocess
from functools import cache

import tunix_rt_nb
from tunix_rt_nb.host import paths


@cache
def of_code() -> str:
    """Return the version of the package and, if it runs from a git checkout, the commit.

    An installed package has no commit: `0.1.0`. In a checkout it is `0.1.0+g285836bd40e1`, and
    `0.1.0+g285836bd40e1.dirty` if files of the package differ from that commit.

    Example:
      >>> of_code().startswith(tunix_rt_nb.__version__)
      True
    """
    commit = _git("rev-parse", "--short=12", "HEAD")
    if not commit:
        return tunix_rt_nb.__version__
    dirty = ".dirty" if _git("status", "--porcelain", "--", paths.PACKAGE.name) else ""
    return f"{tunix_rt_nb.__version__}+g{commit}{dirty}"


def _git(*arguments: str) -> str:
    """Return what git prints about the checkout; nothing if there is none, or no git."""
    place = paths.IMPORTED_FROM
    if not (place / ".git").exists():  # else git would ask a repository that only contains ours
        return ""
    asked = ["git", "--no-optional-locks", f"--git-dir={place / '.git'}", f"--work-tree={place}"]
    try:
        done = subprocess.run([*asked, *arguments], cwd=place, capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
