"""Names of runs, datasets and baselines: a file is made elsewhere, a name is not made safe, or the refusal is not one line."""

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunix_rt_nb import dataset
from tunix_rt_nb.common import InputError, check_name
from tunix_rt_nb.kaggle import submission
from tunix_rt_nb.runs import baseline

_NAMES = (
    *(
        "../x",
        "..",
        ".",
        "/",
        "/etc/x",
        "a/b",
        "a/../../x",
        "..\\x",
        "a\\b",
        "C:\\x",
        "\x00",
        "a\x00b",
    ),
    *(
        "a\nb",
        "\n",
        "a b",
        " ",
        "",
        "-rf",
        "--help",
        "~",
        "~/x",
        "$HOME",
        "$(id)",
        "`id`",
        "a;id",
        "a|id",
    ),
    *(
        "a&b",
        "*",
        "?",
        "a*b",
        ".hidden",
        "a" * 65,
        "a" * 5_000,
        "\u202ea",
        "\x1b[31m",
        "é",
        "a\u2044b",
    ),
    *("%2e%2e%2fx", "a'b", 'a"b', "a:b", "<a>", "a\n", "a\r", "\ufeffa", "．．", "a/", "//x"),
)


_PLACES: dict[str, Callable[[str], Any]] = {
    "run": lambda name: submission.find(name),
    "check": lambda name: check_name("run-id", name),
    "dataset": lambda name: dataset.DatasetSpec.of(dataset_name=name),
    "version": lambda name: dataset.DatasetSpec.of(dataset_name="x", dataset_version=name),
    "baseline": lambda name: baseline.read(name),
}
ATTACKS = [(place, name) for place in _PLACES for name in _NAMES]


def attempt(attack: tuple[str, str]) -> bool:
    place, name = attack
    with tempfile.TemporaryDirectory() as folder:
        home, kept = Path(folder) / "home", os.environ.get("TUNIX_RT_HOME")
        home.mkdir()
        os.environ["TUNIX_RT_HOME"] = str(home)
        try:
            found = _PLACES[place](name)
            if isinstance(found, dataset.DatasetSpec):  # a space or `/` became `_`
                return not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,200}", found.key)
        except InputError as error:
            made = [path for path in Path(folder).rglob("*") if path.is_file()]
            return "\n" in str(error) or bool(made)
        except Exception:
            return True
        finally:
            os.environ.pop("TUNIX_RT_HOME")
            os.environ.update({"TUNIX_RT_HOME": kept} if kept else {})
        return True
