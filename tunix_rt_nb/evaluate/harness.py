"""Our items as a task of EleutherAI's lm-evaluation-harness, and its answers back.

harness/
  core-v1.yaml    the task
  core-v1.jsonl   an item a line: id, prompt, target and what it belongs to

There any model can be asked what ours are, a saved one among them, in the chat template that its
folder has. The harness compares answers as texts; `graded` grades what was answered as it is here,
steps and all.

Source: https://github.com/EleutherAI/lm-evaluation-harness/blob/main/docs/task_guide.md
"""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tunix_rt_nb.common import InputError, check_name, files
from tunix_rt_nb.evaluate.grade import grade
from tunix_rt_nb.evaluate.predictions import FORM, check_of
from tunix_rt_nb.trace import Form, Trace, form

_NEEDED = ("id", "prompt", "expected_answer")
# What a response says its answer is. A further line of it begins with a backslash: see `response`.
_ANSWERS = {
    "Answer: ": r"(?m)^Answer: .*(?:\n\\.*)*",
    "</reasoning>\n<answer>": r"(?s)<answer>.*?</answer>",
}


def write(
    folder: Path,
    name: str,
    items: Iterable[Mapping[str, Any]],
    how: Form,
    max_new_tokens: int = 256,
) -> Path:
    """Writes items as a task: a YAML file and the JSON lines beside it.

    The harness has to run in that folder, from which it takes the path of the JSON lines.

    Args:
      name: of the task and of both files.
      items: `id`, `prompt`, `expected_answer`, and as far as they are known `section`, `category`
        (or `task`) and `difficulty`.
      how: the form that the model was trained in; of it count the style, the stops and the system
        message. The template is that of the model's folder.

    Returns:
      The YAML file.

    Raises:
      InputError: an unsafe name, or no items.
    """
    check_name("name", name)
    lines = [_line(item, how) for item in items]
    if not lines:
        raise InputError(f"harness: {name} has no items, there is nothing to write")
    files.write_lines(folder / f"{name}.jsonl", lines)
    path = folder / f"{name}.yaml"
    with files.atomic(path) as file:
        file.write(yaml.safe_dump(task(name, how, max_new_tokens), sort_keys=False).encode())
    return path


def task(name: str, how: Form, max_new_tokens: int = 256) -> dict[str, Any]:
    """The fields of the task's YAML file.

    Example:
      >>> from tunix_rt_nb.trace.chat import form
      >>> task("core-v1", form())["doc_to_text"]
      'prompt'
    """
    return {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": f"{name}.jsonl"}},
        "test_split": "test",
        "output_type": "generate_until",
        # Names of fields: their text is taken as it is, no template engine reads it.
        **({"description": "system"} if how.system else {}),
        "doc_to_text": "prompt",
        "doc_to_target": "target",
        "generation_kwargs": {
            "until": list(how.template.stops),
            "do_sample": False,
            "max_gen_toks": max_new_tokens,
        },
        "filter_list": [
            {
                "name": "answer",
                "filter": [
                    {
                        "function": "regex",
                        "regex_pattern": _ANSWERS[how.style.middle],
                        "group_select": -1,
                    },
                    {"function": "take_first"},
                ],
            }
        ],
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": 1.0},
    }


def _line(item: Mapping[str, Any], how: Form) -> dict[str, Any]:
    """An item as the harness reads it.

    The target is the answer as the style writes it, not alone: of a file whose answers are all
    dates, or all lists, the harness would make dates and lists.
    """
    style = how.style
    answer = f"{style.middle}{style.answer.put([item['expected_answer']])[0]}{style.closing}"
    return {
        "id": f"{item['id']}",
        "prompt": item["prompt"],
        "target": answer[answer.rfind("\n", 0, len(style.middle)) + 1 :].strip(),
        "section": item.get("section") or "",
        "category": item.get("category") or item.get("task") or "",
        "difficulty": item.get("difficulty") or "",
        **({"system": how.system} if how.system else {}),
    }


def read(path: Path) -> list[dict[str, Any]]:
    """The items of a JSON lines file.

    Raises:
      InputError: it cannot be read, or `file:line:` what an item lacks.
    """
    lines = enumerate(files.all_lines(path), 1)
    return [_item(line, f"{path}:{number}") for number, line in lines]


def _item(line: bytes, where: str) -> dict[str, Any]:
    try:
        item = json.loads(line)
        lacks = [name for name in _NEEDED if not isinstance(item[name], str)]
    except (ValueError, KeyError, TypeError):
        lacks = [*_NEEDED]
    if lacks:
        raise InputError(f"{where}: expected a JSON object with {', '.join(lacks)} as text")
    return dict(item)


def command(model: Path, path: Path) -> str:
    """The command that asks a saved model, and keeps what it answers.

    Raises:
      InputError: the model's folder has no chat template, as of Gemma alone we write one.
    """
    settings = model / "tokenizer_config.json"
    if not settings.is_file() or not files.read_json(settings).get("chat_template"):
        raise InputError(
            f"{settings}: has no chat_template, which the harness asks in: it is written for models"
            " whose tokenizer has Gemma's turns, save the model again"
        )
    return (
        f"cd {shlex.quote(str(path.parent))} && lm_eval --model hf --model_args"
        f" {shlex.quote(f'pretrained={model}')} --apply_chat_template --include_path ."
        f" --tasks {path.stem} --log_samples --output_path answers"
    )


def graded(
    path: Path, items: Sequence[tuple[str, Trace]], rendered: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The predictions that the harness logged, graded as our own are.

    Args:
      path: a `samples_*.jsonl` file of a task that `write` wrote.
      items: those that were asked; one without a sample is left out.
      rendered: says in which template and style, as the manifest of a rendered dataset does.

    Raises:
      InputError: `file:line:` a line is no such sample; or they are of other items, or several
        of one.
    """
    from tunix_rt_nb.trace import Generation  # needs JAX

    samples = responses(path)
    check_of(samples, items)
    how = form(rendered["template"], rendered["style"], rendered["system"])
    asked = {**{name: rendered[name] for name in FORM}, "form_sha256": how.sha256}
    said = {sample["id"]: how.template.said(sample["response"]) for sample in samples}
    if len(said) < len(samples):
        raise InputError(f"{path}: has several samples of an item, expected those of one model")
    # The harness cuts a response off at its stop and does not say so, nor counts its tokens.
    return [
        {**grade(name, trace, Generation(said[name], 0, True), asked["style"]), **asked}
        for name, trace in items
        if name in said
    ]


def responses(path: Path) -> list[dict[str, str]]:
    """What a model answered, in the samples that the harness logged: id, prompt and response.

    Args:
      path: a `samples_*.jsonl` file of a task that `write` wrote.

    Raises:
      InputError: `file:line:` a line is no such sample; or the file cannot be read or has none.
    """
    found = []
    for number, line in enumerate(files.all_lines(path), 1):
        try:
            sample = json.loads(line)
            doc, response = sample["doc"], sample["resps"][0][0]
            found.append({"id": f"{doc['id']}", "prompt": doc["prompt"], "response": f"{response}"})
        except (ValueError, KeyError, IndexError, TypeError):
            raise InputError(
                f"{path}:{number}: is no logged sample, expected `doc` with an `id` and a `prompt`,"
                " and `resps`: run lm_eval with --log_samples"
            ) from None
    if not found:
        raise InputError(f"{path}: holds no samples, run lm_eval with --log_samples")
    return found
