"""Kept answers: a file of answers that grows while a model writes, so that no kill loses them.

The file has JSON lines: a header with the hash of what is asked, then a line for all answers that
were finished at the same time.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tunix_rt_nb.common import InputError, files, one_line
from tunix_rt_nb.trace import Generation


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    """A kept answer, and the number of its prompt."""

    number: int
    text: str
    tokens: int
    stopped: bool
    ids: tuple[int, ...] = ()  # files made before have none
    abstained: bool = False
    redrawn: int = 0


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """A line of the file: answers that were finished at the same time."""

    batch: list[_Answer]


class Kept:
    """The kept answers of one call. What the file holds of any other call is dropped.

    Args:
      path: the file; it is made if it is missing.
      asked: the hash of the model, the prompts and the settings.

    Attributes:
      path: as above.
      answers: the answers that an earlier try left: number of the prompt -> answer.

    Raises:
      InputError: the file is damaged.
    """

    def __init__(self, path: Path, asked: str) -> None:
        self.path, header = path, files.json_line({"asked": asked})
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = files.whole_lines(path)
        # Keep no answers of another call, and write the file anew before any answer is appended.
        if lines[:1] != [header]:
            lines = [header]
        with files.atomic(path) as file:  # drops a line that a kill cut off
            file.writelines(lines)
        try:
            found = [msgspec.json.decode(line, type=_Line) for line in lines[1:]]
        except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
            raise InputError(f"{path}: is damaged, remove it: {one_line(str(error))}") from None
        self.answers = {
            one.number: Generation(*msgspec.structs.astuple(one)[1:])
            for line in found
            for one in line.batch
        }

    def append(self, written: Mapping[int, Generation]) -> None:
        """Append answers as one line, but those that an earlier try left.

        If a kill cuts the line off, all of its answers are written again.
        """
        new = sorted(written.keys() - self.answers.keys())
        if not new:
            return
        batch = [{"number": n, **written[n]._asdict()} for n in new]
        with self.path.open("ab") as file:
            file.write(files.json_line({"batch": batch}))
            file.flush()
            os.fsync(file.fileno())
