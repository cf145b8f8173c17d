"""Notes of a merge in a store, `.merge.json`: a file outside the store is gone or altered, or the error is no line."""

import json
import tempfile
from pathlib import Path
from typing import Any

from tests.conftest import NOW, some
from tunix_rt_nb.common import InputError
from tunix_rt_nb.store import TraceStore

_NAMES = (
    *(
        "../victim",
        "./../victim",
        "x/../../victim",
        "{home}/victim",
        "//{home}/victim",
        "..//victim",
    ),
    *(
        "../traces/../victim",
        "link/victim",
        "",
        ".",
        "..",
        "/",
        "\x00",
        "../victim\x00",
        "a" * 5_000,
    ),
    *("../*", "~/victim", "..\\victim", "\ud800", "/etc/passwd", "CON", "../victim/.", "victim"),
)
_NOTES: tuple[Any, ...] = (
    *(None, True, 1, "x", [], {}, {"into": "x"}, {"replaced": []}, {"into": 1, "replaced": []}),
    *({"into": "SHARD", "replaced": 1}, {"into": "SHARD", "replaced": [1]}, {"into": None}),
    *({"into": "SHARD", "replaced": [["../victim"]]}, {"into": "SHARD", "replaced": "../victim"}),
    *({"into": "../victim", "replaced": ["SHARD"]}, {"into": "/etc/passwd", "replaced": ["SHARD"]}),
    *({"into": ".", "replaced": ["SHARD"]}, {"into": "", "replaced": ["SHARD"]}),
    *({"into": "SHARD", "replaced": ["SHARD"]}, {"into": "SHARD", "replaced": [], "more": 1}),
)
ATTACKS = [*({"into": "SHARD", "replaced": [name]} for name in _NAMES), *_NOTES]


def attempt(attack: Any) -> bool:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        store = TraceStore(home / "traces")
        store.add(some("arithmetic", 2, seed=0), NOW)
        (home / "victim").write_text("kept")
        (store.folder / "link").symlink_to(home)
        [shard] = store.shards()
        text = json.dumps(attack).replace("SHARD", shard.name).replace("{home}", str(home))
        (store.folder / ".merge.json").write_text(text)
        try:
            store.add(some("arithmetic", 1, seed=5), NOW)
            store.compact()
        except InputError as error:
            return "\n" in str(error) or not _kept(home, shard)
        except Exception:
            return True
        return not _kept(home) or store.count() != 3


def _kept(home: Path, *more: Path) -> bool:
    paths = [home / "victim", *more]
    return all(path.is_file() for path in paths) and (home / "victim").read_text() == "kept"
