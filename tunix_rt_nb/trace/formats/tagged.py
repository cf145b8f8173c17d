"""Records with a prompt and a response under usual names; the export is `training_example`."""

from tunix_rt_nb.trace.formats.one_text import read_text
from tunix_rt_nb.trace.formats.record import Exported, Format, Full, Record, present, text
from tunix_rt_nb.trace.trace import Trace

PROMPTS = ("prompt", "question", "problem", "instruction", "input")
RESPONSES = ("response", "answer", "output", "solution", "completion")


class _Pair(Exported):
    prompt: Full
    response: Full

    def turns(self) -> tuple[str, str]:
        return self.prompt, self.response


def tagged(record: Record) -> Trace:
    """Read a prompt and a response with `<think>` or `<reasoning>` tags, under usual field names.

    Example:
      >>> said = "<reasoning>1. 2 + 2 = 4.</reasoning><answer>4</answer>"
      >>> tagged({"question": "2 + 2?", "output": said}).steps[0].content
      '2 + 2 = 4.'
    """
    asked = present(record, PROMPTS)
    prompt = text(record, asked)
    names = [asked]
    if asked == "instruction" and record.get("input"):  # the text that the instruction is about
        prompt += "\n\n" + text(record, "input")
        names.append("input")
    said = present(record, RESPONSES)
    return read_text(record, (*names, said), prompt, said, text(record, said))


TAGGED = Format("tagged", tagged)
TRAINING_EXAMPLE = Format("training_example", tagged, _Pair)
