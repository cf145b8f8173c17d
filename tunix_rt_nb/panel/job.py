"""A Tunix job for a dataset: its settings, the YAML as they change it, and the file."""

from pathlib import Path
from typing import Any

from tunix_rt_nb import models, train
from tunix_rt_nb.common import InputError
from tunix_rt_nb.host import paths
from tunix_rt_nb.panel import datasets, parts
from tunix_rt_nb.panel.parts import widgets
from tunix_rt_nb.panel.work import Work, on_change

_NUMBERS = {  # field of a job -> its name here, and the type of its values
    "learning_rate": ("Learning rate", float),
    "weight_decay": ("Weight decay", float),
    "num_epochs": ("Epochs", int),
    "batch_size": ("Batch size", int),
    "max_seq_length": ("Longest sequence", int),
}


class JobDraft:
    """The inputs of a job, and its YAML as a preview.

    Args:
      on_written: called with the path of a job that was written.
    """

    title = "Job"

    def __init__(self, on_written: Any) -> None:
        self._on_written = on_written
        self._folder = parts.field(widgets.Dropdown, "Dataset", wide=True)
        known = list(models.catalog.MODELS)
        self._model = parts.field(
            *(widgets.Combobox, "Model id"),
            options=known,
            value="tiny",
            placeholder="name or path",
            continuous_update=False,
        )
        self._out = parts.field(
            widgets.Text, "Output folder", wide=True, placeholder="by default runs/DATASET"
        )
        self._numbers = {
            name: parts.field(widgets.Text, told) for name, (told, _) in _NUMBERS.items()
        }
        devices = ["auto", "cpu", "gpu", "tpu"]
        self._device = parts.field(widgets.Dropdown, "Device", options=devices)
        self._yaml = parts.html()
        self._to = parts.field(widgets.Text, "File", wide=True)
        self._button = parts.button("Generate", self._write, main=True)
        self._shown, self._written = Work(), Work(self._button)
        fields = parts.stack(
            parts.row(self._folder),
            parts.row(self._model, self._out),
            parts.row(*self._numbers.values(), self._device),
        )
        preview = parts.stack(parts.heading("Preview"), self._yaml, self._shown.line)
        self._all = parts.stack(
            parts.stack(fields, preview, name="trnb-two"),
            parts.row(self._to),
            parts.row(self._button),
            self._written.line,
        )
        self._empty = parts.html()
        self.widget = parts.stack(
            parts.lead("A job is one YAML file: which model to train, on which dataset, and how."),
            self._empty,
            self._all,
        )
        self._fit()
        on_change(self._fit, self._model)
        on_change(self._name, self._folder)
        on_change(self._preview, self._folder, self._out, self._device, *self._numbers.values())

    def refresh(self) -> None:
        """List the datasets again."""
        named = datasets.choices()
        self._empty.value = "" if named else parts.empty(parts.NO_DATASETS)
        parts.reveal(self._all, bool(named))
        parts.choose(self._folder, named)
        self._preview()

    def _fit(self) -> None:
        """Set the settings that fit the model."""
        part = train.Job.of(
            dataset={"path": "x"},
            output={"output_dir": "x"},
            training=train.fitting(self._model.value),
        ).training
        for name, value in part.model_dump().items():
            {**self._numbers, "device": self._device}[name].value = str(value)
        self._preview()

    def _name(self) -> None:
        if self._folder.value:
            name = f"{Path(self._folder.value).name}.yaml"
            self._to.value = str(paths.home() / "data" / "jobs" / name)

    def _draft(self) -> train.Job:
        training = {
            name: _number(told, self._numbers[name].value, kind)
            for name, (told, kind) in _NUMBERS.items()
        }
        out = self._out.value.strip()
        where = str(paths.home() / Path(out).expanduser()) if out else ""
        model = self._model.value.strip()
        return train.draft_job(
            self._folder.value, model, where, device=self._device.value, **training
        )

    def _preview(self) -> None:
        if self._folder.value:
            self._shown("", self._show)

    def _show(self) -> None:
        text = parts.safe(self._draft().yaml())
        self._yaml.value = parts.box(f"<pre>{text}</pre>", "The job as YAML")

    def _write(self) -> None:
        self._written("Writing", self._generate)

    def _generate(self) -> str:
        if not self._to.value.strip():
            raise InputError("File: is empty, expected the path of the file to write")
        path = paths.home() / Path(self._to.value.strip()).expanduser()
        if path.suffix not in (".yaml", ".yml"):  # or a run would not take it
            raise InputError(f"File: {path.name} is no name of a job, expected one with .yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        train.write_job(self._draft(), path)
        self._on_written(path)
        return f"{parts.written(path, 'Job')} The tab Run starts it: its profile is set."


def _number(name: str, text: str, kind: Any) -> float | int:
    try:
        found: float | int = kind(text.strip())
    except ValueError:
        expected = "a whole number" if kind is int else "a number"
        raise InputError(f"{name}: expected {expected}, found {text!r}") from None
    return found
