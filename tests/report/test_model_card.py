"""A model's card says where it comes from and what it scored, and nothing in it is markup."""

import ast
from pathlib import Path
from typing import Any

import mistune
import pytest
import yaml
from huggingface_hub import ModelCard
from hypothesis import given
from transformers import AutoTokenizer

from tests.helpers.gemma import TOKENIZER
from tests.helpers.odd import texts
from tunix_rt_nb.models import tokenizer_files
from tunix_rt_nb.report import model_card
from tunix_rt_nb.trace.chat import form
from tunix_rt_nb.trace.templates import text_of

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


def code_of(card: str) -> str:
    """The snippet of a card, as a reader of Markdown finds it."""
    tokens: Any = mistune.create_markdown(renderer=None)(card)
    [found] = [
        token["raw"]
        for token in tokens
        if token["type"] == "block_code" and token.get("attrs", {}).get("info") == "python"
    ]
    return str(found)


def messages_of(card: str) -> Any:
    """The messages that the snippet of a card asks the model."""
    [value] = [
        node.value
        for node in ast.parse(code_of(card)).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "messages"
    ]
    return ast.literal_eval(value)


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
    assert (made_here["base"], made_here["license"]) == (None, "unknown")


def test_what_is_not_known_is_left_out() -> None:
    front, text = parts(model_card.card({"name": "adder"}))
    assert front.keys() == {"library_name", "pipeline_tag", "tags"}
    assert [line for line in text.splitlines() if line[:3] == "## "] == ["## Use", "## Limitations"]
    assert "It was not evaluated yet." in text


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
        "data": {text: text, "system": text, "dataset_key": text},
        "scores": {text: {"before": 0.5, "after": 0.5, "n": 2}},
        "sample": {"prompt": text, "response": text},
    }
    front, rest = parts(model_card.card(facts))
    assert (front["license"], front["tags"][2]) == (text, text)
    assert front.get("base_model", text) == text and front.get("datasets", [text]) == [text]
    assert front["model-index"][0]["name"] == text
    assert front["model-index"][0]["results"][0]["dataset"]["name"] == text
    assert messages_of(rest) == [
        {"role": "system", "content": text},
        {"role": "user", "content": text},
    ]
    plain = {**facts, "name": "x"}
    assert len(rest.splitlines()) == len(parts(model_card.card(plain))[1].splitlines())


def test_the_hubs_own_library_reads_a_card() -> None:
    told = {**FACTS, "sample": {"prompt": "1 + 1?", "response": "Answer: 2"}, "name": "me: x"}
    scores = {"arithmetic": {"after": 0.5, "n": 2}}
    read = ModelCard(model_card.card({**told, "data": {"dataset_key": "x-v1"}, "scores": scores}))
    data = read.data
    assert (data.license, data.base_model, data.datasets) == (
        *("gemma", "google/gemma-3-270m"),
        ["x-v1"],
    )
    assert (data.language, data.library_name) == (["en"], "transformers")
    assert data.pipeline_tag == "text-generation"
    [result] = data.eval_results or []  # it refuses scores that lack a field
    assert (result.dataset_name, result.metric_type) == ("arithmetic", "accuracy")
    assert (data.model_name, result.metric_value) == ("me: x", 0.5)


@pytest.mark.parametrize(
    "base", ["runs/x/4_train/model", "/a/b", "a b/c", "tiny", "google/", "a/b/c"]
)
def test_only_a_repository_is_named_as_base_model(base: str) -> None:
    front, _ = parts(model_card.card({"name": "x", "base": base}))
    assert "base_model" not in front


def test_a_sample_is_a_right_answer_to_one_question() -> None:
    one: Any = {"prompt": "1 + 1?", "response": "Answer: 2", "score": 1.0}
    told = {**one, "prompt": "And 2?", "earlier_messages": []}
    assert model_card.sample([{**one, "score": 0.0}, told]) == model_card.sample([told])
    assert model_card.sample([{**one, "score": 0.5}]) is None
    text = model_card.card({"name": "x", "sample": model_card.sample([one])})
    assert "## An answer\n\nTo a prompt that it was not trained on:\n\n```text\n1 + 1?\n" in text
    assert messages_of(text) == [{"role": "user", "content": "1 + 1?"}]


@pytest.mark.parametrize("system", ["", "Be brief.\n```"])
def test_the_snippet_asks_as_the_model_was_trained(
    system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off what needs PyTorch: the tensors, and all from the model on."""
    for name, content in tokenizer_files.contents(TOKENIZER).items():
        (tmp_path / name).write_bytes(content)
    sample: Any = {"prompt": "What is 1 + 1?", "response": "Answer: 2"}
    code = code_of(model_card.card({"name": "x", "data": {"system": system}, "sample": sample}))
    lines = [
        line for line in code.splitlines() if not line.startswith(("model", "written", "print"))
    ]
    monkeypatch.chdir(tmp_path)
    here: dict[str, Any] = {}
    exec("\n".join(lines).replace(', "return_tensors": "pt"', ""), here)
    found = AutoTokenizer.from_pretrained(tmp_path).decode(here["asked"]["input_ids"])
    asked = form("gemma").template.prompt("What is 1 + 1?", system)
    assert found == f"<bos>{text_of(asked)}"
