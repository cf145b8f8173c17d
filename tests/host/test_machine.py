"""The package on machines that lack some names of Linux's standard library."""

import subprocess
import sys
from pathlib import Path

import pytest

from tunix_rt_nb.host.paths import PROJECT

LINUX_ALONE = {
    "os": (
        *("sched_", "posix_fa", "memfd_", "copy_file_range", "splice", "eventfd", "getres"),
        *("setres", "pidfd_", "fdatasync", "listxattr", "getxattr", "setxattr", "removexattr"),
        *("O_TMPFILE", "O_DIRECT", "O_PATH", "POSIX_FADV", "getrandom", "unshare", "setns"),
    ),
    "select": ("epoll", "EPOLL"),
    "signal": ("pidfd_", "sigtimedwait", "sigwaitinfo", "SIGPOLL", "SIGPWR", "SIGRT"),
    "socket": ("AF_NETLINK", "AF_PACKET", "SO_PEERCRED"),
}
AS_ON_MACOS = f"""
import importlib
for module, starts in {LINUX_ALONE!r}.items():
    module = importlib.import_module(module)
    for name in dir(module):
        if name.startswith(starts):
            delattr(module, name)
"""
A_STORE = """
import pkgutil, sys
import tunix_rt_nb
for module in pkgutil.walk_packages(tunix_rt_nb.__path__, "tunix_rt_nb."):
    if module.name.split(".")[1] not in ("models", "train") and "__main__" not in module.name:
        importlib.import_module(module.name)
from tunix_rt_nb.cli import main
from tunix_rt_nb.common import workers
assert workers.processes() >= 1
store = ["--store", sys.argv[1]]
main(["traces", "import", "data/traces/example.jsonl", *store], standalone_mode=False)
main(["traces", "verify", *store], standalone_mode=False)
"""


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)


@pytest.mark.slow
def test_a_store_is_written_and_verified_without_the_names_that_only_linux_has(
    tmp_path: Path,
) -> None:
    told = python(AS_ON_MACOS + A_STORE, str(tmp_path))
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[-1].endswith(f"nothing wrong in {tmp_path}"), told.stdout


def test_windows_is_told_of_wsl_in_one_line() -> None:
    told = python("import sys; sys.modules['fcntl'] = None; import tunix_rt_nb.host.place")
    assert told.returncode == 1
    assert told.stderr == "tunix_rt_nb needs Linux or macOS: on Windows, run it in WSL\n"
