"""The first line of a notebook says what it reads."""

import os
import re
from pathlib import Path

import pytest

from tests.conftest import NOW, some
from tests.helpers.run_folders import evaluated
from tunix_rt_nb import dataset, runs
from tunix_rt_nb.runs import origin
from tunix_rt_nb.store import TraceStore


def test_each_notebook_says_whose_outputs_it_reads_how_much_and_from_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    run = evaluated(tmp_path / "runs" / "mine")
    for step in runs.STEPS[1:]:
        earlier = runs.before(step) or ""
        os.utime(run / runs.stem(earlier) / "result.json", (0, 0))
        runs.begin(step, str(run))._lock.release()
        said = capsys.readouterr().out
        place = re.escape(str(Path(*run.relative_to(tmp_path).parts) / runs.stem(earlier)))
        assert re.fullmatch(rf"Reads {place} of 1970-01-01 00:00 UTC: .+\n", said), said


def test_a_finished_dataset_is_named_with_its_size(tmp_path: Path) -> None:
    store = TraceStore(tmp_path / "traces")
    store.add(some("arithmetic", 20, seed=0), NOW)
    folder = dataset.build(store, dataset.DatasetSpec.of(dataset_name="d"), tmp_path)
    said = origin.of_dataset(str(folder))
    assert said == f"Reads the dataset {folder}: 20 traces, the newest of {NOW}"
    (folder / "manifest.json").write_text("[]")
    assert origin.of_dataset(str(folder)) == f"Reads the dataset {folder}"
    assert origin.of_dataset("nowhere") == "Reads the dataset nowhere"
