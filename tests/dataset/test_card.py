"""A dataset's card: the hub's own library reads it, and its snippet runs where it lies."""

from pathlib import Path
from typing import Any

import mistune
import pytest
from huggingface_hub import DatasetCard

from tests.conftest import NOW, some
from tunix_rt_nb import dataset
from tunix_rt_nb.common import files
from tunix_rt_nb.store import TraceStore
from tunix_rt_nb.trace import Trace

SUMS = some("arithmetic", 40, seed=0)
OWN = [Trace.of(f"Why {n}?", [("s", "So.")], f"{n}") for n in range(9)]


def built(home: Path, traces: list[Trace], **spec: Any) -> Path:
    store = TraceStore(home / "traces")
    store.add(traces, NOW)
    return dataset.build(store, dataset.DatasetSpec.of(dataset_name="x", **spec), home / "datasets")


def test_the_hubs_own_library_reads_a_card(tmp_path: Path) -> None:
    card = DatasetCard.load(built(tmp_path, SUMS, tags=["sums"]) / "README.md")
    data = card.data.to_dict()
    assert data["license"] == "unknown"  # which the hub takes for one that nobody has chosen yet
    assert (data["language"], data["pretty_name"]) == (["en"], "x-v1")
    assert (data["task_categories"], data["size_categories"]) == (["text-generation"], ["n<1K"])
    assert data["tags"] == ["reasoning", "sums"]
    [config] = data["configs"]
    assert [each["path"] for each in config["data_files"]] == ["train.jsonl", "eval.jsonl"]


def test_the_language_of_your_own_traces_is_not_known(tmp_path: Path) -> None:
    folder = built(tmp_path, OWN, eval_fraction=0.0)
    card = DatasetCard.load(folder / "README.md")
    assert "language" not in card.data.to_dict()
    assert "as their author wrote them, and no program checked their answers" in card.text


def test_the_table_names_the_fields_of_a_line(tmp_path: Path) -> None:
    folder = built(tmp_path, SUMS)
    text = (folder / "README.md").read_text()
    table = text.partition("| field | type | what it holds |")[2].partition("\n\n")[0]
    named = {line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[2:]}
    assert named == next(files.read_lines(folder / "train.jsonl")).keys()


@pytest.mark.slow
def test_the_snippet_runs_where_the_card_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = built(tmp_path, SUMS)
    tokens: Any = mistune.create_markdown(renderer=None)((folder / "README.md").read_text())
    [code] = [
        token["raw"]
        for token in tokens
        if token["type"] == "block_code" and token.get("attrs", {}).get("info") == "python"
    ]
    monkeypatch.chdir(folder.parent)
    exec(code, {})
    first = next(dataset.load(folder, "train"))[1]
    assert capsys.readouterr().out.endswith(f"{first.prompt}\n")
