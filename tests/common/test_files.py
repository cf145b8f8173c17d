"""Files of unknown origin: pipes, devices, folders, and files without an end."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError

READ: list[Callable[[Path], Any]] = [
    *(files.content, files.all_lines, files.whole_lines, files.read_json, files.sha256),
    lambda path: list(files.read_lines(path)),
]


@pytest.mark.parametrize("read", READ)
def test_only_a_file_is_read(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(InputError, match="is a folder, a pipe or a device, expected a file"):
            read(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(5 << 30)
    for read in READ[:4]:
        with pytest.raises(InputError, match="big: takes over .* MiB"):
            read(tmp_path / "big")


def test_a_path_that_cannot_be_one_is_unreadable() -> None:
    for name in ("a\0b", "a" * 5_000, "missing"):
        with pytest.raises(InputError, match="cannot be read"):
            files.content(Path(name))


def test_a_line_without_an_end_is_given_up() -> None:
    assert list(files.lines(io.BytesIO(b"x" * 20), 4)) == [b"xxxxx"]
    with pytest.raises(InputError, match="file:2: takes over 32 bytes, is no line"):
        list(files.lines(io.BytesIO(b"a\n" + b"x" * 99), 4))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": 1, "a": 2}', '{"a": "\\ud800"}', "[1]", ""])
def test_a_damaged_line_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\n' + text + "\n")
    with pytest.raises(InputError, match="x.jsonl:2: "):
        list(files.read_lines(path))


def test_folders_are_listed_without_hidden_ones_and_loops(tmp_path: Path) -> None:
    for name in ("b", "a", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    assert [path.name for path in files.folders(tmp_path)] == ["a", "b"]
    assert files.folders(tmp_path / "missing") == []
    with pytest.raises(InputError, match="file: cannot be read: Not a directory"):
        files.folders(tmp_path / "file")


def test_a_manifest_of_another_shape_has_no_hashes(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    manifests: list[Any] = [{}, {"files": []}, {"files": {"y": "0"}}]
    for manifest in manifests:
        with pytest.raises(InputError, match="x: was altered"):
            files.check_unaltered(tmp_path / "x", manifest, "was altered")


def test_a_folder_is_no_name_of_a_file(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r": is a folder, expected the name of a file$"),
        files.atomic(tmp_path),
    ):
        pytest.fail("nothing is written")
    assert list(tmp_path.iterdir()) == []
