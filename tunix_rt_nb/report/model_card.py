"""The card of a trained model, the README of its folder, by the Hugging Face hub's conventions.

`markdown.front_matter` writes the YAML at its top. The docstring of the module `dataset.card` says
why the package `huggingface_hub` is not used for that.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from tunix_rt_nb.common import files, markdown
from tunix_rt_nb.evaluate import STRICT, Scorecard
from tunix_rt_nb.models import catalog
from tunix_rt_nb.render import Rendered


class Score(TypedDict):
    """The shares of right answers to `n` held-out items, before and after training."""

    before: NotRequired[float]
    after: float
    n: int


class Facts(TypedDict):
    """The content of a model's card; what is not known is left out or None.

    Attributes:
      name: the name of the model.
      base: the model that training began with, by its name on the hub.
      license, tags: as the hub names them.
      data, training: name -> value, the rows of the tables in the sections Data and Training.
      scores: task -> its scores. One more key, `STRICT`, has the scores over all tasks by a
        stricter rule: an answer must also be written exactly in the trained style.
    """

    name: str
    base: NotRequired[str | None]
    license: NotRequired[str | None]
    tags: NotRequired[Sequence[str]]
    data: NotRequired[Mapping[str, object]]
    training: NotRequired[Mapping[str, object]]
    scores: NotRequired[Mapping[str, Score]]


def facts(name: str, model: str, rendered: Rendered, training: Mapping[str, object]) -> Facts:
    """Collect the facts of a model's card that are known before the model is evaluated.

    Args:
      name: the name of the trained model.
      model: the model that training began with.
      rendered: the manifest of the rendered dataset.
      training: settings and figures of the training, to be listed in the card.

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
        "data": {key: value for key in names if (value := rendered.get(key))},
        "training": dict(training),
    }


def scores(before: Scorecard, after: Scorecard) -> dict[str, Score]:
    """Return the scores of a model's card, from the scorecards before and after training.

    Returns:
      Task -> its scores. One more key, `STRICT`, has the scores over all tasks by a stricter rule:
      an answer must also be written exactly in the trained style.

    Example:
      >>> card = {"category_scores": {"sums": {"score": 0.5, "n": 2}}, "strict_score": 0.0}
      >>> scores(card, {**card, "n_scored": 2})["sums"]
      {'before': 0.5, 'after': 0.5, 'n': 2}
    """
    earlier = before["category_scores"]
    by_task: dict[str, Score] = {
        task: {"before": earlier[task]["score"], "after": score["score"], "n": score["n"]}
        for task, score in after["category_scores"].items()
    }
    strict = before["strict_score"], after["strict_score"]
    return {**by_task, STRICT: {"before": strict[0], "after": strict[1], "n": after["n_scored"]}}


def write(folder: Path, facts: Facts) -> Path:
    """Write the card of a model into its folder; return the path of the card.

    Example:
      >>> import tempfile
      >>> folder = Path(tempfile.mkdtemp())
      >>> write(folder, {"name": "adder", "scores": {"arithmetic": {"after": 0.5, "n": 2}}}).name
      'README.md'
    """
    with files.atomic(folder / "README.md") as file:
        file.write(card(facts).encode())
    return folder / "README.md"


def card(facts: Facts) -> str:
    """Return the card as Markdown; text in the facts is escaped, so it never acts as markup."""
    sections = [
        ("Scores", _scores(facts.get("scores", {}))),
        ("Data", _listed(facts.get("data", {}))),
        ("Training", _listed(facts.get("training", {}))),
    ]
    told = "".join(f"\n## {title}\n\n{text}\n" for title, text in sections if text)
    base = facts.get("base")
    origin = f" from {markdown.cell(base)}" if base else ""
    return f"""{markdown.front_matter(_metadata(facts))}
# {markdown.cell(facts["name"])}

Trained{origin} with tunix_rt_nb on reasoning traces each step of which a program checked: it writes
its steps, then the answer. `transformers.AutoModelForCausalLM.from_pretrained` loads this folder.
{told}"""


def _scores(scores: Mapping[str, Score]) -> str:
    """Return a Markdown table of the scores, with a sentence above; "" if there are none."""
    rows = [
        (markdown.cell(task), _percent(score.get("before")), _percent(score["after"]), score["n"])
        for task, score in scores.items()
    ]
    head = "Right answers to held-out prompts.\n\n| task | before | after | n |\n"
    return f"{head}| --- | ---: | ---: | ---: |\n{markdown.table(rows)}" if rows else ""


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _listed(told: Mapping[str, object]) -> str:
    rows = [(markdown.cell(name), markdown.cell(_text(value))) for name, value in told.items()]
    return f"| | |\n| --- | --- |\n{markdown.table(rows)}" if rows else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _metadata(facts: Facts) -> dict[str, Any]:
    """Return the metadata that the hub reads from a model's card.

    Source: https://huggingface.co/docs/hub/model-cards
    """
    fields: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "base_model": facts.get("base"),
        "license": facts.get("license"),
        "tags": ["reasoning", "tunix", *facts.get("tags", ())],
    }
    if scores := facts.get("scores"):
        fields["model-index"] = [{"name": facts["name"], "results": _results(scores)}]
    return fields


def _results(scores: Mapping[str, Score]) -> list[dict[str, Any]]:
    """Return the scores after training as evaluation results that the hub reads; omit `STRICT`.

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
