"""The card of a trained model, the README of its folder, by the Hugging Face hub's conventions.

`markdown.front_matter` writes the YAML at its top. The docstring of the module `dataset.card` says
why the package `huggingface_hub` is not used for that.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from tunix_rt_nb import tasks
from tunix_rt_nb.common import files, markdown
from tunix_rt_nb.evaluate import STRICT, Prediction, Scorecard
from tunix_rt_nb.host import launch
from tunix_rt_nb.models import catalog
from tunix_rt_nb.render import Rendered


class Score(TypedDict):
    """The shares of right answers to `n` held-out items, before and after training."""

    before: NotRequired[float]
    after: float
    n: int


_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_DATASET = re.compile(r"[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_LETTERS = 2_000  # the most of a sample's text to show
_QUESTION = "What is 59 + 31 - 26?"  # of the snippet, if there is no sample


class Sample(TypedDict):
    """A held-out prompt, and the trained model's response to it."""

    prompt: str
    response: str


class Facts(TypedDict):
    """The content of a model's card; what is not known is left out or None.

    Attributes:
      name: the name of the model.
      base: the model that training began with, by its name on the hub.
      license, tags: as the hub names them.
      data, training: name -> value, the rows of the tables in the sections Data and Training.
      scores: task -> its scores. One more key, `STRICT`, has the scores over all tasks by a
        stricter rule: an answer must also be written exactly in the trained style.
      sample: an answer to show.
    """

    name: str
    base: NotRequired[str | None]
    license: NotRequired[str | None]
    tags: NotRequired[Sequence[str]]
    data: NotRequired[Mapping[str, object]]
    training: NotRequired[Mapping[str, object]]
    scores: NotRequired[Mapping[str, Score]]
    sample: NotRequired[Sample | None]


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
    known = catalog.MODELS.get(catalog.named(model))
    base = (known.hugging_face if known else model) or None
    return {
        "name": name,
        "base": base,
        "license": "gemma" if known and base else "unknown",
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


def sample(predictions: Sequence[Prediction]) -> Sample | None:
    """Return the first right answer to a single question, to be shown in a model's card, or None.

    Example:
      >>> told = {"prompt": "1 + 1?", "response": "Answer: 2", "score": 1.0}
      >>> sample([{**told, "score": 0.0}, told])
      {'prompt': '1 + 1?', 'response': 'Answer: 2'}
    """
    alone = (p for p in predictions if p["score"] == 1.0 and not p.get("earlier_messages"))
    found = next(alone, None)
    return {"prompt": found["prompt"], "response": found["response"]} if found else None


def write(folder: Path, facts: Facts) -> Path:
    """Write the card of a model into its folder; return the path of the card.

    If several processes train together, only the first one writes it.

    Example:
      >>> import tempfile
      >>> folder = Path(tempfile.mkdtemp())
      >>> write(folder, {"name": "adder", "scores": {"arithmetic": {"after": 0.5, "n": 2}}}).name
      'README.md'
    """
    if launch.place().process == 0:
        with files.atomic(folder / "README.md") as file:
            file.write(card(facts).encode())
    return folder / "README.md"


def card(facts: Facts) -> str:
    """Return the card as Markdown; text in the facts is escaped, so it never acts as markup."""
    sections = [
        ("Use", _use(facts)),
        ("An answer", _shown(facts.get("sample"))),
        ("Scores", _scores(facts.get("scores", {}))),
        ("Limitations", _limitations(facts)),
        ("Data", _listed(facts.get("data", {}))),
        ("Training", _listed(facts.get("training", {}))),
    ]
    told = "".join(f"\n## {title}\n\n{text}\n" for title, text in sections if text)
    base = facts.get("base")
    origin = f" from {markdown.cell(base)}" if base else ""
    return f"""{markdown.front_matter(_metadata(facts))}
# {markdown.cell(facts["name"])}

Trained{origin} with tunix_rt_nb on reasoning traces each step of which a program checked: it writes
its steps, then the answer.
{told}"""


def _use(facts: Facts) -> str:
    """Return the code that asks the model a question with the library Transformers.

    Only the folder of a model that was trained in Gemma's template has a chat template.
    """
    data = facts.get("data", {})
    loads = "`transformers.AutoModelForCausalLM.from_pretrained` loads this folder"
    if data.get("template", "gemma") != "gemma":
        return f"{loads}. Prompts are in the template {markdown.cell(str(data['template']))}."
    asked = facts.get("sample") or {"prompt": _QUESTION}
    said = [{"role": "user", "content": asked["prompt"][:_LETTERS]}]
    if system := data.get("system"):
        said.insert(0, {"role": "system", "content": str(system)})
    return f"""{loads}:

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "."  # the path of this folder, or its name on the hub
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder)
messages = {said!r}
how = {{"add_generation_prompt": True, "return_tensors": "pt", "return_dict": True}}
asked = tokenizer.apply_chat_template(messages, **how)
written = model.generate(**asked, max_new_tokens=256, do_sample=False)
print(tokenizer.decode(written[0][asked["input_ids"].shape[1] :], skip_special_tokens=True))
```"""


def _shown(sample: Sample | None) -> str:
    """Return a sample as Markdown: the prompt in a block, the response in another; "" for none."""
    if not sample:
        return ""
    asked, said = sample["prompt"][:_LETTERS], sample["response"][:_LETTERS]
    return f"To a prompt that it was not trained on:\n\n{_block(asked)}\n\n{_block(said)}"


def _block(text: str) -> str:
    return markdown.fenced(text.replace("\0", "\ufffd"))  # as CommonMark asks


def _limitations(facts: Facts) -> str:
    asked = ", ".join(markdown.cell(task) for task in facts.get("scores", {}) if task != STRICT)
    known = f"It was graded on {asked} only" if asked else "It was not evaluated yet"
    told = (
        f"{known}. It answers other questions in the same form, and often wrongly. An answer may be"
        " right although a step is wrong, or the other way round, so check both."
    )
    if facts.get("license") != "unknown":
        return told
    return (
        f"{told} No license was chosen: whoever publishes the model writes one into the first lines"
        " of this file."
    )


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
    base, dataset = facts.get("base") or "", str(facts.get("data", {}).get("dataset_key", ""))
    scored = facts.get("scores", {}).keys() - {STRICT}
    fields: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "license": facts.get("license"),
        "language": ["en"] if scored and scored <= tasks.TASKS.keys() else None,
        # The hub refuses a name that no repository can have, such as the path of a folder.
        "base_model": base if _REPOSITORY.fullmatch(base) else None,
        "datasets": [dataset] if _DATASET.fullmatch(dataset) else None,
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
