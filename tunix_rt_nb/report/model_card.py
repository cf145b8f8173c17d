"""The card of a trained model, by the conventions of the Hugging Face hub: its folder's README.

`markdown.front_matter` writes its YAML; `dataset.card` says why `huggingface_hub` does not.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunix_rt_nb.common import files, markdown
from tunix_rt_nb.evaluate import STRICT
from tunix_rt_nb.models import catalog


def facts(
    name: str, model: str, rendered: Mapping[str, Any], training: Mapping[str, Any]
) -> dict[str, Any]:
    """Collect what is known of a model before it is evaluated.

    Args:
      name: the name of the trained model.
      model: the model that training began with.
      rendered: the manifest of the rendered dataset.
      training: how it was trained.

    Example:
      >>> facts("adder", "gemma3-1b", {"dataset_key": "sums-v1"}, {"steps": 10})["base"]
      'google/gemma-3-1b-pt'
    """
    names = "dataset_key", "dataset_sha256", "template", "style", "system", "examples"
    known = catalog.MODELS.get(model)
    base = (known.hugging_face if known else model) or None
    return {
        "name": name,
        "base": base,
        "license": "gemma" if known and base else None,
        "data": {key: rendered[key] for key in names if rendered.get(key)},
        "training": dict(training),
    }


def scores(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Take the scores of a card from two scorecards: by task, and of answers strictly in the style.

    Example:
      >>> card = {"category_scores": {"sums": {"score": 0.5, "n": 2}}, "strict_score": 0.0}
      >>> scores(card, {**card, "n_scored": 2})["sums"]
      {'before': 0.5, 'after': 0.5, 'n': 2}
    """
    earlier = before["category_scores"]
    by_task = {
        task: {"before": earlier[task]["score"], "after": score["score"], "n": score["n"]}
        for task, score in after["category_scores"].items()
    }
    strict = {"before": before["strict_score"], "after": after["strict_score"]}
    return {**by_task, STRICT: {**strict, "n": after["n_scored"]}}


def write(folder: Path, facts: Mapping[str, Any]) -> Path:
    """Write the card of a model into its folder; return the path of the card.

    Args:
      folder: the folder of the model.
      facts: `name`, and as far as they are known: `base` (what was trained, by its name on the
        hub), `license` and `tags`; `data` and `training`, each a mapping of what to show, as the
        dataset's key and hash; `scores`, task -> {`before`, `after`, `n`}, shares from 0 to 1.

    Example:
      >>> import tempfile
      >>> folder = Path(tempfile.mkdtemp())
      >>> write(folder, {"name": "adder", "scores": {"arithmetic": {"after": 0.5, "n": 2}}}).name
      'README.md'
    """
    with files.atomic(folder / "README.md") as file:
        file.write(card(facts).encode())
    return folder / "README.md"


def card(facts: Mapping[str, Any]) -> str:
    """Write the text of the card; what the facts say stays text and becomes no markup."""
    sections = [
        ("Scores", _scores(facts.get("scores", {}))),
        ("Data", _listed(facts.get("data", {}))),
        ("Training", _listed(facts.get("training", {}))),
    ]
    told = "".join(f"\n## {title}\n\n{text}\n" for title, text in sections if text)
    origin = f" from {markdown.cell(facts['base'])}" if facts.get("base") else ""
    return f"""{markdown.front_matter(_metadata(facts))}
# {markdown.cell(facts["name"])}

Trained{origin} with tunix_rt_nb on reasoning traces each step of which a program checked: it writes
its steps, then the answer. `transformers.AutoModelForCausalLM.from_pretrained` loads this folder.
{told}"""


def _scores(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """Write a table of the share of right answers to held-out prompts; empty without scores."""
    rows = [
        (markdown.cell(task), _percent(score.get("before")), _percent(score["after"]), score["n"])
        for task, score in scores.items()
    ]
    head = "Right answers to held-out prompts.\n\n| task | before | after | n |\n"
    return f"{head}| --- | ---: | ---: | ---: |\n{markdown.table(rows)}" if rows else ""


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _listed(told: Mapping[str, Any]) -> str:
    rows = [(markdown.cell(name), markdown.cell(_text(value))) for name, value in told.items()]
    return f"| | |\n| --- | --- |\n{markdown.table(rows)}" if rows else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _metadata(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the model as the hub reads it.

    Source: https://huggingface.co/docs/hub/model-cards
    """
    fields = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "base_model": facts.get("base"),
        "license": facts.get("license"),
        "tags": ["reasoning", "tunix", *facts.get("tags", ())],
    }
    if scores := facts.get("scores"):
        fields["model-index"] = [{"name": facts["name"], "results": _results(scores)}]
    return fields


def _results(scores: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Convert the scores to what the hub reads.

    Source: https://huggingface.co/docs/hub/model-cards#evaluation-results
    """
    return [
        {
            "task": {"type": "text-generation"},
            "dataset": {"name": task, "type": task},
            "metrics": [{"type": "accuracy", "value": score["after"]}],
        }
        for task, score in scores.items()
        if task != STRICT
    ]
