"""The reward of a GRPO job that Tunix's own command line runs, `tunix.cli.grpo_main`.

Tunix imports this module by the name in the job's `reward_functions`, and adds up what each of its
public functions returns.
"""

import json
from collections.abc import Sequence
from typing import Any

from tunix_rt_nb import tasks
from tunix_rt_nb.common import InputError
from tunix_rt_nb.trace import Trace, parse_response


def reward(
    prompts: Sequence[str], completions: Sequence[str], trace: Sequence[str], **others: Any
) -> list[float]:
    """Grade what a model wrote: 1 for a right answer, and up to 1 for the share of right steps.

    If one of `tasks.TASKS` made the trace, this task verifies the answer and the steps. Otherwise
    an answer is right if it is that of the trace, and only steps with sums count.

    Args:
      prompts: the rendered prompts; not used.
      completions: what the model wrote.
      trace: for each completion, the JSON text that `grpo_data.create_dataset` made.
      others: whatever else Tunix passes; not used.

    Example:
      >>> two = Trace.of("What is 1 + 1?", [("s", "1 + 1 = 2.")], "2")
      >>> told = json.dumps({"trace": two.model_dump(), "style": "numbered", "stop": "<eos>"})
      >>> said = ["Reasoning:\\n1. 1 + 1 = 2.\\nAnswer: 2<eos>", "Answer: 3", "So what?"]
      >>> reward([""] * 3, said, [told] * 3)
      [2.0, 0.0, 0.0]
    """
    return [_reward(text, json.loads(told)) for text, told in zip(completions, trace, strict=True)]


def _reward(text: str, told: dict[str, Any]) -> float:
    asked = Trace.model_validate(told["trace"])
    read = parse_response(text.partition(told["stop"])[0], told["style"])
    steps = [("model", step) for step in read.steps if step]
    try:
        checked = tasks.check(Trace.of(asked.prompt, steps, read.answer or "", asked.meta))
    except InputError:  # no answer, or one that is too long for a trace
        return 0.0
    right = read.answer == asked.final_answer if checked.answer is None else checked.answer
    return float(right) + (checked.share or 0.0)
