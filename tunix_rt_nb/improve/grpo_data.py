"""The data of a GRPO job that Tunix's own command line runs, `tunix.cli.grpo_main`.

Tunix imports this module by the name in the job's `data_module`, and calls `create_dataset` before
it loads the model. So this is where Tunix 0.1.7 is taught what it lacks: see `_teach`.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunix_rt_nb import dataset, models
from tunix_rt_nb.trace import Chat, form


def create_dataset(folder: str, template: str, style: str, system: str) -> Any:
    """Return the prompts of a dataset's training side, as a `grain.MapDataset`.

    Each element has the rendered prompt in `prompts`, and in `trace` what `grpo_reward.reward`
    grades by, as JSON.

    Args:
      folder: the folder of the dataset.
      template, style, system: the form of the prompts.
    """
    import grain  # type: ignore[import-untyped]

    _teach()
    how = form(template, style, system)
    asked = [
        {
            "prompts": Chat(how.after(trace.earlier), trace.prompt, "").given,
            "trace": json.dumps(
                {"trace": trace.model_dump(), "style": style, "stop": how.template.stop}
            ),
        }
        for _, trace in dataset.load(Path(folder), "train")
    ]
    return grain.MapDataset.source(asked)


def _teach() -> None:
    """Let Tunix load a model from a folder of ours, and use devices that are not TPUs.

    Its `AutoModel` has the source `internal`, which the published version refuses; and it gives
    devices to a job by their coordinates, which CPUs and GPUs do not have.
    """
    from tunix.models import automodel
    from tunix.utils import mesh

    load, allocate = automodel.AutoModel.from_pretrained, mesh.allocate_named_mesh_device_slices

    def from_pretrained(model_id: str, mesh: Any, **how: Any) -> tuple[Any, Any]:
        if how["model_source"] != automodel.ModelSource.INTERNAL:
            return load(model_id, mesh, **how)
        return models.load(Path(model_id))[0], model_id

    def in_order(needs: Sequence[tuple[str, int]], *, devices: Sequence[Any], **how: Any) -> Any:
        if getattr(devices[0], "coords", None) is not None:
            return allocate(needs, devices=devices, **how)
        left = iter(devices)
        return {name: [next(left) for _ in range(count)] for name, count in needs}

    automodel.AutoModel.from_pretrained = from_pretrained
    mesh.allocate_named_mesh_device_slices = in_order
