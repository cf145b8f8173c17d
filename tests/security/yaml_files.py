"""YAML of specs, jobs and settings: it runs code, takes over 2 s or 500 MB, or the refusal is not one line."""

import json
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from tunix_rt_nb.common import InputError, strict_yaml
from tunix_rt_nb.dataset import DatasetSpec

_CANARY = Path(tempfile.gettempdir()) / "tunix_rt_nb_canary"
_RUNS = f"touch {_CANARY}"
_TAGS = (
    f'!!python/object/apply:os.system ["{_RUNS}"]',
    f'!!python/object/new:os.system ["{_RUNS}"]',
    f'!!python/object/apply:subprocess.check_output [["touch", "{_CANARY}"]]',
    f"!!python/object/apply:builtins.eval [\"open('{_CANARY}', 'w')\"]",
    f"!!python/object/apply:builtins.exec [\"open('{_CANARY}', 'w')\"]",
    *(
        "!!python/name:os.system",
        "!!python/module:os",
        "!!python/object:object {}",
        "!!python/tuple [1]",
    ),
    *("!!python/bytes 'eA=='", "!!python/complex 1j", "!!python/dict {}", "!x y", "!<tag:x> y"),
    *("!!timestamp x", "!!binary '*'", "!!int x", "!!float x", "!!bool x", "!!omap x", "!!pairs x"),
    *("!!set x", "!!merge x", "!!value x", "!!null x y: z", "!!map x", "!!seq x", "!!str [x]"),
)
_SHAPES = (
    *(
        "*x",
        "&x *x",
        "&x [*x]",
        "{&x a: *x}",
        "a: 1\na: 2",
        "<<: 1",
        "<<: [1]",
        "? [a]\n: b",
        "? {a: b}\n: c",
    ),
    *("%YAML 9.9\n---\nx", "%TAG ! tag:x,\n---\n!y z", "--- a\n--- b", "\x00", "\x1b", "a: \x07"),
    *(
        "{",
        "[",
        '"',
        "'",
        "a: b: c",
        "\t- a",
        "- a\n b",
        "@a",
        "`a",
        "a: |\n\t b",
        "[" * 5_000,
        "{a: " * 2_000,
    ),
)
_BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 10)]
)
_FIELDS = ("tags: *a9", "filters: {x: *a9}", "dataset_name: *a9", "quotas: {x: *a9}", "limit: *a9")
_BOMBS = [f"{_BOMB}\n{field}" for field in _FIELDS] + [
    _BOMB,
    "dataset_name: x\nlimit: " + "9" * 100_000,
    "dataset_name: x\neval_fraction: 1" + "_0" * 50_000,
    "dataset_name: x\ntags: &a [*a]",
]
ATTACKS = [*_TAGS, *_SHAPES, *(f"dataset_name: x\nfilters: {text}" for text in _TAGS), *_BOMBS]
_TRY = """
import json, resource as r, sys, time
r.setrlimit(r.RLIMIT_AS, (4 << 30,) * 2)
from tests.security.yaml_files import refused
refused("dataset_name: ")
for text in json.load(sys.stdin):
    begun, before = time.process_time(), r.getrusage(r.RUSAGE_SELF).ru_maxrss
    told = refused(text)
    grown = r.getrusage(r.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps(told and time.process_time() - begun < 2 and grown < 500_000), flush=True)
"""


def attempt(attack: str) -> bool:
    if attack not in _BOMBS:
        return not refused(attack)
    done, place = _defused(), _BOMBS.index(attack)
    return place >= len(done) or not done[place]


@cache
def _defused() -> list[bool]:
    """Tries the bombs in a process that may take 4 GB; those that it dies of, or later, have none."""
    command = [sys.executable, "-c", _TRY]
    with suppress(subprocess.TimeoutExpired):
        done = subprocess.run(
            command, input=json.dumps(_BOMBS), capture_output=True, text=True, timeout=60
        )
        return [*map(json.loads, done.stdout.split())]
    return []


def refused(text: str) -> bool:
    """Tell whether a spec is refused in one line, and nothing has been run."""
    folder = Path(tempfile.mkdtemp())
    (folder / "spec.yaml").write_text(text, errors="replace")
    try:
        DatasetSpec.read(folder / "spec.yaml")
        told = ""
    except InputError as error:
        told = str(error)
    except Exception:
        return False
    for path in (folder / "spec.yaml", folder):
        path.unlink() if path.is_file() else path.rmdir()
    try:
        strict_yaml.parse("--set: X", text)
    except InputError as error:
        told = told and str(error)
    except Exception:
        return False
    return bool(told) and "\n" not in told and len(told) < 1_000 and not _CANARY.exists()
