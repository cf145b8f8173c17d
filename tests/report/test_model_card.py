"""A model's card says where it comes from and what it scored, and nothing in it is markup."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given

from tests.helpers.odd import texts
from tunix_rt_nb.report import model_card

FACTS: dict[str, Any] = {
    "name": "columns",
    "base": "google/gemma-3-270m",
    "license": "gemma",
    "tags": ["arithmetic"],
    "data": {"dataset": "columns-v1", "sha256": "ab12", "traces": 1200},
    "training": {"steps": 300, "lora_rank": 16, "optimizer": "adamw"},
    "scores": {
        "columns": {"before": 0.0, "after": 0.525, "n": 200},
        "odds": {"after": 1.0, "n": 9},
    },
}


def parts(card: str) -> tuple[dict[str, Any], str]:
    _, front, text = card.split("---\n", 2)
    return yaml.safe_load(front), text


def test_a_card_tells_lineage_and_scores(tmp_path: Path) -> None:
    front, text = parts(model_card.write(tmp_path, FACTS).read_text())
    assert front["base_model"] == "google/gemma-3-270m"
    assert front["license"] == "gemma"
    assert front["tags"] == ["reasoning", "tunix", "arithmetic"]
    [entry] = front["model-index"]
    assert entry["name"] == "columns"
    assert [result["metrics"] for result in entry["results"]] == [
        [{"type": "accuracy", "value": 0.525}],
        [{"type": "accuracy", "value": 1.0}],
    ]
    assert "| columns | 0.0% | 52.5% | 200 |" in text
    assert "| odds |  | 100.0% | 9 |" in text
    assert "| dataset | columns-v1 |" in text
    assert "| lora\\_rank | 16 |" in text


def test_what_a_run_knows_becomes_a_card() -> None:
    rendered = {"dataset_key": "sums-v1", "dataset_sha256": "ab12", "system": "", "files": {}}
    facts = model_card.facts("adder", "gemma3-1b-it", rendered, {"steps": 10})
    before, after = (
        {"category_scores": {"sums": {"score": x, "n": 40}}, "strict_score": x / 2, "n_scored": 40}
        for x in (0.0, 0.9)
    )
    front, text = parts(model_card.card({**facts, "scores": model_card.scores(before, after)}))
    assert (front["base_model"], front["license"]) == ("google/gemma-3-1b-it", "gemma")
    assert "| dataset\\_key | sums-v1 |" in text
    assert "| steps | 10 |" in text
    assert "| sums | 0.0% | 90.0% | 40 |" in text
    assert "| all, in the style exactly | 0.0% | 45.0% | 40 |" in text
    assert [entry["dataset"]["name"] for entry in front["model-index"][0]["results"]] == ["sums"]
    made_here = model_card.facts("adder", "tiny", rendered, {})
    assert (made_here["base"], made_here["license"]) == (None, None)


def test_what_is_not_known_is_left_out() -> None:
    front, text = parts(model_card.card({"name": "adder"}))
    assert front.keys() == {"library_name", "pipeline_tag", "tags"}
    assert "##" not in text


def test_emoji_stand_in_the_front_matter_as_they_are() -> None:
    card = model_card.card({"name": "x", "tags": ["🂡", "é"]})
    assert '\ntags: ["reasoning", "tunix", "🂡", "é"]\n' in card


@pytest.mark.slow
@given(texts(["---", "\n---\n", "# x", "|", ": ", "- a", "<b>", "null", "!!python/object:x", "]("]))
def test_every_text_stays_what_it_is(text: str) -> None:
    facts = {
        "name": text,
        "base": text,
        "license": text,
        "tags": [text],
        "data": {text: text},
        "scores": {text: {"before": 0.5, "after": 0.5, "n": 2}},
    }
    front, rest = parts(model_card.card(facts))
    assert (front["base_model"], front["license"], front["tags"][2]) == (text, text, text)
    assert front["model-index"][0]["name"] == text
    assert front["model-index"][0]["results"][0]["dataset"]["name"] == text
    assert rest.count("\n## ") == 2
    assert len(rest.splitlines()) == len(
        parts(model_card.card({**facts, "name": "x"}))[1].splitlines()
    )
