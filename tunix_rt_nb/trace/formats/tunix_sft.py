"""Records whose text is a chat in Gemma's template, as the service `tunix-rt` wrote them."""

from tunix_rt_nb.common import InputError, one_line
from tunix_rt_nb.trace.chat import form
from tunix_rt_nb.trace.formats.record import (
    Exported,
    Format,
    Full,
    Record,
    as_steps,
    make_trace,
    text,
)
from tunix_rt_nb.trace.response import numbered
from tunix_rt_nb.trace.trace import Earlier, Trace

GEMMA_NUMBERED = form("gemma", "numbered")  # the form of all `tunix_sft` records
_GEMMA, _NUMBERED = GEMMA_NUMBERED.template, GEMMA_NUMBERED.style


class _Sft(Exported):
    prompts: Full
    final_answer: Full

    def turns(self) -> tuple[Earlier, str, str]:
        return Earlier(), *split(self.prompts, self.final_answer)


def tunix_sft(record: Record) -> Trace:
    r"""Make a trace of a record whose text is a chat in Gemma's template.

    The format has no mark for the end of a step. So if a line inside step 1 begins with `2. `, it
    is read as step 2.

    Example:
      >>> said = "Reasoning:\n1. 2 + 2 = 4.\nAnswer: 4<end_of_turn>"
      >>> text = f"<start_of_turn>user\n2 + 2?<end_of_turn>\n<start_of_turn>model\n{said}"
      >>> tunix_sft({"prompts": text, "final_answer": "4"}).steps[0].content
      '2 + 2 = 4.'
    """
    answer = text(record, "final_answer")
    prompt, said = split(text(record, "prompts"), answer)
    block = said.removeprefix(_NUMBERED.opening).removesuffix(_NUMBERED.middle + answer)
    steps = as_steps(numbered("\n" + block.removesuffix("\n")))
    used = ("prompts", "final_answer")
    return make_trace(record, used, {}, prompt=prompt, steps=steps, final_answer=answer)


def split(text: str, answer: str) -> tuple[str, str]:
    r"""Split a chat in Gemma's template into the prompt and the response.

    The response begins at the last `<start_of_turn>model` that is followed by a first step. So if
    a step quotes the beginning of a response, the steps before it are read as part of the prompt.

    Args:
      text: the whole chat.
      answer: the final answer, with which the response must end.

    Raises:
      InputError: `prompts: reason`, if the text is not in this template.

    Example:
      >>> text = "<start_of_turn>user\n2 + 2?<end_of_turn>\n<start_of_turn>model\n"
      >>> split(text + "Answer: 4<end_of_turn>", "4")
      ('2 + 2?', 'Answer: 4')
    """
    opening, turn = _GEMMA.before_prompt, _GEMMA.after_prompt
    ending = f"{_NUMBERED.middle}{answer}{_GEMMA.stop}"
    if not text.startswith(opening):
        raise InputError(f"prompts: does not begin with {opening!r}")
    if not text.endswith(ending):
        raise InputError(f"prompts: does not end with {one_line(repr(ending))}")
    said = text[len(opening) : -len(ending)]
    begins = f"{turn}{_NUMBERED.opening}1. "
    prompt, found, reasoning = said.rpartition(begins)
    if found and reasoning.endswith("\n"):
        return prompt, said[len(prompt) + len(turn) :] + _NUMBERED.middle + answer
    if said.endswith(turn):  # a trace without steps
        return said.removesuffix(turn), _NUMBERED.middle + answer
    raise InputError(f"prompts: the response has no steps, expected it to begin with {begins!r}")


TUNIX_SFT = Format("tunix_sft", tunix_sft, _Sft, noun="chat{s} in Gemma's template")
