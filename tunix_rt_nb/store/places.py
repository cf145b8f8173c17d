"""The folders of traces on this machine: the store that is no run's, and one in each run."""

from pathlib import Path

from tunix_rt_nb import runs
from tunix_rt_nb.host import paths
from tunix_rt_nb.store import listing


def stores() -> list[Path]:
    """List the folders that hold traces: `data/traces` first, then those of runs, newest first."""
    made = (paths.home() / "runs").glob(f"*/{runs.stem('generate')}/traces")
    newest = sorted(made, key=lambda folder: folder.stat().st_mtime_ns, reverse=True)
    every = [paths.home() / "data" / "traces", *newest]
    return [folder for folder in every if listing.found(folder).shards]


def traces_of(dataset: Path) -> Path | None:
    """Return the folder of the traces in the run that built a dataset; None if there is none."""
    if (dataset.parent / "result.json").is_file():
        made_from = runs.result(dataset.parent)["inputs"].get("generate")
        if made_from and (traces := dataset.parent / made_from["folder"] / "traces").is_dir():
            return traces
    return None


def store_of(dataset: Path) -> Path:
    """Return the folder of the traces that a dataset was built from, as far as that is known.

    Args:
      dataset: the folder of the dataset.

    Returns:
      The traces of its run; for the dataset of no run, `data/traces` or, if that is empty, the
      traces of the newest run.
    """
    if traces := traces_of(dataset):
        return traces
    return next(iter(stores()), paths.home() / "data" / "traces")
