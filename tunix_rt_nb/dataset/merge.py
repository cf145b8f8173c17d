"""One dataset from several."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tunix_rt_nb.common import files
from tunix_rt_nb.dataset.build import build
from tunix_rt_nb.dataset.folder import SIDES, read_manifest
from tunix_rt_nb.dataset.spec import DatasetSpec
from tunix_rt_nb.store.store import TraceStore


def merge(sources: Sequence[Path], spec: DatasetSpec, parent: Path) -> Path:
    """Builds `parent/{key}` from the traces of several datasets: each once, cleaned anew.

    What was held out in any of them stays held out: the split goes by the hash of the prompt, and
    the largest of their fractions is taken. Newer traces come first, so of two with one prompt the
    newer stays.

    Raises:
      InputError: as `build` does; or a source was altered.
    """
    manifests = {source: read_manifest(source) for source in sources}
    fraction = max(manifest["eval_fraction"] for manifest in manifests.values())
    with TemporaryDirectory() as folder:
        store = TraceStore(Path(folder))
        for source, manifest in manifests.items():
            for side in SIDES:
                path = source / f"{side}.jsonl"
                files.check_unaltered(path, manifest, "was altered after the build, build it again")
                store.add_lines(path)
        merged_from = {m["dataset_key"]: m["sha256"] for m in manifests.values()}
        spec = spec.model_copy(update={"eval_fraction": fraction})
        return build(store, spec, parent, merged_from)
