"""Records that hold prompt and response in fields with usual names.

This reads Alpaca, NuminaMath, OpenR1, MetaMath and most tables of questions and answers. Records
exported in the format `training_example` have this shape too.
"""

from tunix_rt_nb.trace.formats.one_text import read_text
from tunix_rt_nb.trace.formats.record import (
    THOUGHTS,
    Exported,
    Format,
    Full,
    Record,
    is_example,
    present,
    system_of,
    text,
)
from tunix_rt_nb.trace.trace import EARLIER, Earlier, Trace

PROMPTS = ("prompt", "question", "problem", "instruction", "query", "input")
RESPONSES = ("response", "output", "completion", "generations", "generation", "solution", "answer")
REQUEST = "\n\nPlease show your reasoning steps."  # ends each prompt of a `training_example`
ANSWERS = ("final_answer", "expected_answer", "ground_truth", "gold_answer", "answer", "final")


class _Pair(Exported):
    prompt: Full
    response: Full

    def turns(self) -> tuple[Earlier, str, str]:
        return Earlier.of(self.metadata), self.prompt, self.response


def tagged(record: Record) -> Trace:
    """Make a trace of a record whose fields have usual names, such as `question` and `output`.

    Fields with other names go to `meta.imported`.

    If a separate field holds the bare answer, such as `answer` beside `solution`, its text is the
    final answer. If the record has only the bare answer, the trace has no steps.

    Example:
      >>> said = "<reasoning>1. 2 + 2 = 4.</reasoning><answer>4</answer>"
      >>> tagged({"question": "2 + 2?", "output": said}).steps[0].content
      '2 + 2 = 4.'
      >>> tagged({"problem": "2 + 2?", "solution": "We add.", "answer": "4"}).final_answer
      '4'
    """
    prompt, names = _prompt(record)
    if is_example(record):
        prompt = prompt.removesuffix(REQUEST) or prompt
    system = system_of(record)
    meta = {EARLIER: [{"role": "system", "content": system}]} if system else {}
    if EARLIER in record:
        meta = {EARLIER: record[EARLIER]}
    names += ["system", EARLIER]
    thought = _first(record, THOUGHTS)
    said = _first(record, RESPONSES)
    bare = next((name for name in ANSWERS if name != said and _full(record, name)), "")
    if not said and not bare:
        present(record, RESPONSES)  # raises an error that lists these fields
    used = [*names, *filter(None, (thought, said, bare))]
    response, reasoning, answer = (
        _text(record, name) if name else "" for name in (said, thought, bare)
    )
    return read_text(record, used, prompt, response, reasoning, answer, meta)


def _prompt(record: Record) -> tuple[str, list[str]]:
    """Return the prompt of a record, and the names of the fields that were read for it."""
    asked = present(record, PROMPTS)
    prompt = text(record, asked)
    if asked != "instruction":
        return prompt, [asked]
    about = text(record, "input") if record.get("input") else ""  # what the instruction is about
    return f"{prompt}\n\n{about}" if about else prompt, [asked, "input"]


def _first(record: Record, names: tuple[str, ...]) -> str:
    """Return the first of these names whose field is not empty; an empty text if there is none."""
    return next((name for name in names if _full(record, name)), "")


def _full(record: Record, name: str) -> bool:
    return record.get(name) not in (None, "", [])


def _text(record: Record, name: str) -> str:
    """Return a field as text. Convert a number; of a list of texts, return the first.

    Raises:
      InputError: the field is missing or holds something else.
    """
    value = record[name]
    if isinstance(value, list) and value and isinstance(value[0], str):
        return value[0]
    if type(value) in (int, float):
        return f"{value}"
    return text(record, name)


TAGGED = Format("tagged", tagged, noun="question{s} with answer{s}")
TRAINING_EXAMPLE = Format("training_example", tagged, _Pair, noun="prompt{s} with response{s}")
