"""Records whose text is a chat in Gemma's template, as the service `tunix-rt` wrote them.

A record that this package exported may name another template in `metadata.form`.
"""

from tunix_rt_nb.common import InputError, one_line
from tunix_rt_nb.trace.chat import Form
from tunix_rt_nb.trace.formats.record import (
    GEMMA_NUMBERED,
    Exported,
    Format,
    Full,
    Record,
    as_steps,
    form_of,
    is_ours,
    make_trace,
    text,
)
from tunix_rt_nb.trace.response import numbered
from tunix_rt_nb.trace.trace import Earlier, Trace


class _Sft(Exported):
    prompts: Full
    final_answer: Full

    def turns(self) -> tuple[Earlier, str, str]:
        how = _form_of({"metadata": self.metadata})
        return Earlier(how.system, how.turns), *split(self.prompts, self.final_answer, how)


def tunix_sft(record: Record) -> Trace:
    r"""Make a trace of a record whose text is a chat in Gemma's template, or in the one it names.

    The format has no mark for the end of a step. So if a line inside step 1 begins with `2. `, it
    is read as step 2.

    Example:
      >>> said = "Reasoning:\n1. 2 + 2 = 4.\nAnswer: 4<end_of_turn>"
      >>> text = f"<start_of_turn>user\n2 + 2?<end_of_turn>\n<start_of_turn>model\n{said}"
      >>> tunix_sft({"prompts": text, "final_answer": "4"}).steps[0].content
      '2 + 2 = 4.'
    """
    answer, how = text(record, "final_answer"), _form_of(record)
    prompt, said = split(text(record, "prompts"), answer, how)
    style = how.style
    block = said.removeprefix(style.opening).removesuffix(style.middle + answer + style.closing)
    steps = as_steps(numbered("\n" + block.removesuffix("\n")))
    used = ("prompts", "final_answer")
    return make_trace(record, used, {}, prompt=prompt, steps=steps, final_answer=answer)


def _form_of(record: Record) -> Form:
    """Return the form of a record, with the messages that its metadata has before the prompt."""
    how = form_of(record)
    return how.after(Earlier.of(record["metadata"])) if is_ours(record) else how


def split(text: str, answer: str, how: Form = GEMMA_NUMBERED) -> tuple[str, str]:
    r"""Split a chat into the prompt and the response.

    The response begins at the last opening of the model's turn that is followed by a first step.
    So if a step quotes the beginning of a response, the steps before it are read as part of the
    prompt.

    Args:
      text: the whole chat.
      answer: the final answer, with which the response must end.
      how: the form of the chat. If it does not begin as this form does, as chats that an earlier
        version exported, messages before the prompt stay in it.

    Raises:
      InputError: `prompts: reason`, if the text is not in this template.

    Example:
      >>> text = "<start_of_turn>user\n2 + 2?<end_of_turn>\n<start_of_turn>model\n"
      >>> split(text + "Answer: 4<end_of_turn>", "4")
      ('2 + 2?', 'Answer: 4')
    """
    style, turn = how.style, how.between
    opening = how.before if text.startswith(how.before) else how.template.before_prompt
    ending = f"{style.middle}{answer}{style.closing}"
    if not text.startswith(opening):
        raise InputError(f"prompts: does not begin with {opening!r}")
    if not text.endswith(ending + how.template.stop):
        raise InputError(f"prompts: does not end with {one_line(repr(ending + how.template.stop))}")
    said = text[len(opening) : -len(ending + how.template.stop)]
    begins = f"{turn}{style.opening}1. "
    prompt, found, reasoning = said.rpartition(begins)
    if found and reasoning.endswith("\n"):
        return prompt, said[len(prompt) + len(turn) :] + ending
    bare = style.opening if style.closing else ""  # a trace without steps
    if said.endswith(turn + bare):
        return said.removesuffix(turn + bare), bare + ending
    raise InputError(f"prompts: the response has no steps, expected it to begin with {begins!r}")


TUNIX_SFT = Format("tunix_sft", tunix_sft, _Sft, noun="chat{s} in Gemma's template")
