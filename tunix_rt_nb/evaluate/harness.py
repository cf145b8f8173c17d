"""Items as a task of EleutherAI's lm-evaluation-harness, and the answers that it logs, graded.

For an eval set such as core-v1, `write` makes two files:

harness/
  core-v1.yaml    the task
  core-v1.jsonl   one item per line: id, prompt, target, section, category and difficulty

The harness puts one system message and one user message into a chat. If items have earlier
messages, the user message, `asked`, holds them too, written as they were in training.

The harness can ask any model these items, also a model that this package saved. It uses the chat
template in the model's folder, and compares answers only as texts. `graded` reads the answers that
the harness logged, and grades answers and steps as `grade` does.

Source: https://github.com/EleutherAI/lm-evaluation-harness/blob/main/docs/task_guide.md
"""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from tunix_rt_nb.common import InputError, check_name, files
from tunix_rt_nb.evaluate.grade import grade
from tunix_rt_nb.evaluate.prediction import Answered, Prediction
from tunix_rt_nb.evaluate.predictions import check_of
from tunix_rt_nb.render import Rendered
from tunix_rt_nb.trace import EARLIER, Earlier, Form, Generation, Trace, form

# The middle of a style -> the regex for the answer in a response. The answer extends to the end of
# the response, as in `trace.response`.
_ANSWERS = {
    "Answer: ": r"(?s)(?:^|(?<=\n))Answer: .*",
    "</reasoning>\n<answer>": r"(?s)<answer>.*</answer>",
}


def write(
    folder: Path,
    name: str,
    items: Iterable[Mapping[str, Any]],
    how: Form,
    max_new_tokens: int = 256,
) -> Path:
    """Write items as a harness task: a YAML file, and a JSON lines file beside it.

    Run the harness in `folder`, because the YAML file names the JSON lines by a relative path.

    Args:
      name: the name of the task and of both files.
      items: mappings with `id`, `prompt`, `expected_answer`, and if known `section`, `category` (or
        `task`), `difficulty` and `earlier_messages`.
      how: the template, style and system message that the model was trained with. The files take
        the style, the stop strings and the system message from it; the harness takes the chat
        template from the model's folder.
      max_new_tokens: the most tokens of an answer.

    Returns:
      The path of the YAML file.

    Raises:
      InputError: the name is unsafe, or there are no items.
    """
    check_name("name", name)
    items = list(items)
    chats = any(EARLIER in item for item in items)
    lines = [_line(item, how, chats) for item in items]
    if not lines:
        raise InputError(f"harness: {name} has no items, there is nothing to write")
    files.write_lines(folder / f"{name}.jsonl", lines)
    path = folder / f"{name}.yaml"
    fields = task(name, how, max_new_tokens, chats)
    with files.atomic(path) as file:
        file.write(yaml.safe_dump(fields, sort_keys=False).encode())
    return path


def task(name: str, how: Form, max_new_tokens: int = 256, chats: bool = False) -> dict[str, Any]:
    """Return the fields of the YAML file that defines a task for the harness.

    Args:
      name, how, max_new_tokens: as `write` takes them.
      chats: True if any item has earlier messages.

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
        # These name fields of an item. The harness takes their text as it is, not as a template.
        **({"description": "system"} if how.system or chats else {}),
        "doc_to_text": "asked" if chats else "prompt",
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


def _line(item: Mapping[str, Any], how: Form, chats: bool = False) -> dict[str, Any]:
    """Return an item as the harness reads it, a line of its JSON lines file.

    The target is the answer as the model was trained to write it, such as `Answer: 7`. A bare `7`
    would not do: if all targets were bare dates or lists, the harness would parse them.

    Args:
      how: the template, style and system message that the model was trained with.
      chats: True if any item of the task has earlier messages.
    """
    style = how.style
    answer = f"{style.middle}{item['expected_answer']}{style.closing}"
    return {
        "id": f"{item['id']}",
        "prompt": item["prompt"],
        "target": answer[answer.rfind("\n", 0, len(style.middle)) + 1 :].strip(),
        "section": item.get("section") or "",
        "category": item.get("category") or item.get("task") or "",
        "difficulty": item.get("difficulty") or "",
        **(_chat(item, how) if chats else {"system": how.system} if how.system else {}),
    }


def _chat(item: Mapping[str, Any], how: Form) -> dict[str, str]:
    """Return the fields that make the harness ask an item after its earlier messages.

    `system` is the system message. `asked` is the user message: the text of all earlier messages
    and the prompt, without the tokens that the model's chat template adds at both ends.
    `earlier_messages` is JSON text, because a field must have the same type in all lines.
    """
    earlier = Earlier.of(item)
    chat = how.after(earlier)
    system = "" if chat.turns and chat.template.system_last else chat.system
    opening = replace(chat, system=system, turns=()).before
    return {
        "system": system,
        "asked": chat.before.removeprefix(opening) + item["prompt"],
        EARLIER: json.dumps(earlier.messages(), ensure_ascii=False),
    }


def command(model: Path, path: Path) -> str:
    """Return the shell command that runs the harness on a saved model and logs the answers.

    Args:
      model: the folder of the model.
      path: the YAML file of a task that `write` wrote.

    Raises:
      InputError: the model's folder has no chat template; we write one for Gemma models only.
    """
    settings = model / "tokenizer_config.json"
    if not settings.is_file() or not files.read_json(settings).get("chat_template"):
        raise InputError(
            f"{settings}: has no chat_template, which the harness needs: save the model"
            " again; a model whose tokenizer has Gemma's token <start_of_turn> then gets one"
        )
    return (
        f"cd {shlex.quote(str(path.parent))} && lm_eval --model hf --model_args"
        f" {shlex.quote(f'pretrained={model}')} --apply_chat_template --include_path ."
        f" --tasks {path.stem} --log_samples --output_path answers"
    )


def graded(path: Path, items: Sequence[tuple[str, Trace]], rendered: Rendered) -> list[Prediction]:
    """Grade the answers that the harness logged, as `predict` grades the answers that it generates.

    Args:
      path: a `samples_*.jsonl` file of a task that `write` wrote.
      items: the items that were asked, as ids and traces; items without a sample are left out.
      rendered: the template, style and system message, as in the manifest of a rendered dataset.

    Raises:
      InputError: a line is no logged sample (`file:line:` comes first), a sample belongs to none of
        the items, or an item has several samples.
    """
    samples = responses(path)
    check_of(samples, items)
    how = form(rendered["template"], rendered["style"], rendered["system"])
    said = {sample["id"]: how.template.said(sample["response"]) for sample in samples}
    if len(said) < len(samples):
        raise InputError(f"{path}: has several samples of an item, expected those of one model")
    # The harness cuts a response at its stop token without recording it, and counts no tokens. So
    # record 0 tokens, and treat every response as stopped.
    return [
        {
            **grade(name, trace, Generation(said[name], 0, True), rendered["style"]),
            "template": rendered["template"],
            "style": rendered["style"],
            "form_sha256": how.sha256,
        }
        for name, trace in items
        if name in said
    ]


def responses(path: Path) -> list[Answered]:
    """Read a model's answers, each with what was asked, from the samples that the harness logged.

    Args:
      path: a `samples_*.jsonl` file of a task that `write` wrote.

    Raises:
      InputError: a line is no logged sample (`file:line:` comes first), the file cannot be read, or
        it has no samples.
    """
    found: list[Answered] = []
    for number, line in enumerate(files.all_lines(path), 1):
        try:
            sample = json.loads(line)
            doc, response = sample["doc"], sample["resps"][0][0]
            found.append({"id": f"{doc['id']}", "prompt": doc["prompt"], "response": f"{response}"})
            if earlier := json.loads(doc.get(EARLIER) or "[]"):
                found[-1]["earlier_messages"] = earlier
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise InputError(
                f"{path}:{number}: is no logged sample, expected `doc` with an `id` and a `prompt`,"
                " and `resps`: run lm_eval with --log_samples"
            ) from None
    if not found:
        raise InputError(f"{path}: holds no samples, run lm_eval with --log_samples")
    return found
