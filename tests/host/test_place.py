import subprocess
import sys

from tunix_rt_nb.host.paths import PROJECT

# What every Jupyter has; all else has to be installed by the first cell before it is imported.
THERE = ("packaging",)
CODE = f"""
import importlib, sys

class Bare:
    def find_spec(self, name, path=None, target=None):
        known = sys.stdlib_module_names | {set(THERE)} | {{"tunix_rt_nb"}}
        if name.split(".")[0] not in known:
            raise ModuleNotFoundError(f"{{name}} is not installed", name=name)

sys.meta_path.insert(0, Bare())
importlib.import_module("tunix_rt_nb.host.place").settle()
print("settled")
"""


def test_the_first_cell_of_a_notebook_needs_nothing_that_has_to_be_installed() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path += {sys.path!r}\n{CODE}"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "settled\n", done.stderr
