"""The build of a wheel: the files beside the package that it needs are copied into it."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FILES = (
    *("notebooks/*.ipynb", "notebooks/profiles/*.yaml", "data/evalsets/*.jsonl"),
    *("pyproject.toml", "requirements.lock"),
)


class WithProject(build_py):
    """The build of the package, with `FILES` in its folder `project`; see host/paths.py."""

    def run(self) -> None:
        """Build the package, then copy the files, unless it is installed as it is edited."""
        super().run()
        if self.editable_mode:
            return
        for path in (path for pattern in FILES for path in Path().glob(pattern)):
            copy = Path(self.build_lib, "tunix_rt_nb", "project", path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


setup(cmdclass={"build_py": WithProject})
