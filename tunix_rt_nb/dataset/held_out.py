"""The export of the held-out side of a dataset as an eval set."""

from pathlib import Path

from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.dataset import evalset, folder, shards


def write_evalset(dataset: Path, path: Path) -> int:
    """Write the held-out traces of a dataset to a file, as an eval set; return their number.

    Args:
      dataset: the folder of the dataset.
      path: the file to write, as JSON lines.

    Raises:
      InputError: the dataset is incomplete or has no held-out trace, or the file cannot be written
        or is in the folder of a dataset.
    """
    folder.check_output(path)
    lines = [evalset.record(id, trace) for id, trace in shards.load(dataset, "eval")]
    if not lines:
        raise InputError(f"{dataset}: has no held-out traces, build it with a larger eval_fraction")
    files.sweep(path.parent)
    files.write_lines(path, lines)
    return len(lines)
