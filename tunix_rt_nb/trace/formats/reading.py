"""Records that others write, read as traces; and those of our own exports.

What a record holds beside prompt, reasoning and answer is kept in the trace as `meta.imported`.
Reasoning that is one text becomes a step for each line that is not empty, without its number;
where an export wrote it, the steps are those that it was written from.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tunix_rt_nb.common import InputError, one_line, unknown
from tunix_rt_nb.trace.formats import written
from tunix_rt_nb.trace.response import STYLES, numbered, unwrite, write
from tunix_rt_nb.trace.trace import Trace, parse, parse_object

Record = Mapping[str, Any]

PROMPTS = ("prompt", "question", "problem", "instruction", "input")
RESPONSES = ("response", "answer", "output", "solution", "completion")
_ANSWER_LINE = re.compile(r"^[ \t]*(?:Answer:|####)", re.MULTILINE)
_CALCULATOR = re.compile(r"<<[^<>]*>>")
_NUMBER = re.compile(r"\d{1,4}[.)]\s+")
_STYLE = STYLES["numbered"]  # of an export
# What an export adds to a trace's own meta, and what an import adds to it, once more.
_FACTS = ("created_at", "trace_version", "format", "imported")


def reader(form: str) -> Callable[[bytes], Trace]:
    """What reads a line of a form, or raises an `InputError` that says `field: reason`.

    Raises:
      InputError: no such form.
    """
    if form not in FORMS:
        raise unknown("form", form, FORMS)
    if form == "trace":
        return parse
    return lambda line: FORMS[form](parse_object(line))


def reference(record: Record) -> Trace:
    """A record of the tracing service, bare or under `payload`, or one of its export.

    Steps are put in the order of their indices, which may have gaps, and numbered anew.

    Example:
      >>> steps = [{"i": 7, "type": "b", "content": "2."}, {"i": 3, "type": "a", "content": "1."}]
      >>> trace = reference({"prompt": "p", "steps": steps, "final_answer": "2"})
      >>> [(step.i, step.type) for step in trace.steps]
      [(0, 'a'), (1, 'b')]
    """
    if isinstance(record.get("payload"), dict):
        record = {key: record[key] for key in record if key != "payload"} | record["payload"]
    others = ("prompts", "trace_steps", "metadata")
    names = others if "trace_steps" in record else ("prompt", "steps", "meta")
    prompt, steps, meta = names
    return _trace(
        record,
        (*names, "trace_version", "final_answer"),
        prompt=_text(record, prompt),
        steps=_in_order(record, steps),
        final_answer=_text(record, "final_answer"),
        meta=_of_type(record, meta, dict) if record.get(meta) is not None else {},
        trace_version=record.get("trace_version", "1.0"),
    )


def messages(record: Record) -> Trace:
    """A chat: a user turn, then an assistant turn whose text holds reasoning and answer.

    Example:
      >>> said = "<think>2 + 2 = 4.</think>4"
      >>> turns = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": said}]
      >>> messages({"messages": turns}).final_answer
      '4'
    """
    turns = _of_type(record, "messages", list)
    roles = [turn.get("role") if isinstance(turn, dict) else None for turn in turns]
    if roles != ["user", "assistant"]:
        found = one_line(", ".join(map(str, roles[:5])), 60) or "none"
        raise InputError(f"messages: expected one user and one assistant turn, found {found}")
    texts = [_text(turn, "content", f"messages.{i}.") for i, turn in enumerate(turns)]
    return _from_text(record, ("messages",), texts[0], "messages.1.content", texts[1])


def gsm8k(record: Record) -> Trace:
    """A GSM8K problem (https://arxiv.org/abs/2110.14168): `####` is before the answer.

    Example:
      >>> trace = gsm8k({"question": "q", "answer": "Half is 4/2=<<4/2=2>>2.\\n#### 2"})
      >>> trace.steps[0].content, trace.final_answer
      ('Half is 4/2=2.', '2')
    """
    answer = _CALCULATOR.sub("", _text(record, "answer"))
    if "####" not in answer:
        raise InputError("answer: has no final answer, expected it after ####")
    names = ("question", "answer")
    return _from_text(record, names, _text(record, "question"), "answer", answer)


def tagged(record: Record) -> Trace:
    """A prompt and a response with `<think>` or `<reasoning>` tags, under the usual names.

    Example:
      >>> said = "<reasoning>1. 2 + 2 = 4.</reasoning><answer>4</answer>"
      >>> tagged({"question": "2 + 2?", "output": said}).steps[0].content
      '2 + 2 = 4.'
    """
    asked = _present(record, PROMPTS)
    prompt = _text(record, asked)
    names = [asked]
    if asked == "instruction" and record.get("input"):  # an instruction and what it is about
        prompt += "\n\n" + _text(record, "input")
        names.append("input")
    said = _present(record, RESPONSES)
    return _from_text(record, (*names, said), prompt, said, _text(record, said))


def tunix_sft(record: Record) -> Trace:
    r"""A text in Gemma's template, as an export has it, which keeps what is in a trace as it is.

    So a line of a step that begins like the next step is read as one.

    Example:
      >>> said = "Reasoning:\n1. 2 + 2 = 4.\nAnswer: 4<end_of_turn>"
      >>> text = f"<start_of_turn>user\n2 + 2?<end_of_turn>\n<start_of_turn>model\n{said}"
      >>> tunix_sft({"prompts": text, "final_answer": "4"}).steps[0].content
      '2 + 2 = 4.'
    """
    answer = _text(record, "final_answer")
    prompt, said = written.split(_text(record, "prompts"), answer)
    block = said.removeprefix(_STYLE.opening).removesuffix(_STYLE.middle + answer)
    steps = _as_steps(numbered("\n" + block.removesuffix("\n")))
    used = ("prompts", "final_answer")
    return _trace(record, used, {}, prompt=prompt, steps=steps, final_answer=answer)


FORMS: dict[str, Callable[[Record], Trace]] = {
    "trace": Trace.model_validate,
    "reference": reference,
    "messages": messages,
    "gsm8k": gsm8k,
    "tagged": tagged,
    "tunix_sft": tunix_sft,
}
EXPORTED = {  # form of an export -> the form that reads it
    "tunix_sft": "tunix_sft",
    "trace": "reference",
    "training_example": "tagged",
    "messages": "messages",
}


def _trace(record: Record, used: Iterable[str], meta: Record, **fields: Any) -> Trace:
    """The trace of these fields; what else is in the record goes into its `meta`."""
    rest = {name: value for name, value in record.items() if name not in used}
    told = record.get("metadata")
    if isinstance(told, dict) and "trace_version" in told:  # an export of ours wrote it
        rest.pop("metadata", None)
        rest |= {name: told[name] for name in _FACTS if name in told}
        meta = {name: value for name, value in {**meta, **told}.items() if name not in _FACTS}
    whole = {**meta, "imported": rest} if rest else dict(meta)
    return Trace.model_validate({**fields, "meta": whole or None})


def _as_steps(texts: Iterable[str]) -> list[dict[str, Any]]:
    return [{"i": i, "type": "reason", "content": text} for i, text in enumerate(texts)]


def _from_text(record: Record, used: Iterable[str], prompt: str, name: str, said: str) -> Trace:
    texts, answer = unwrite(said, _STYLE)
    if not texts or not answer or write(texts, answer, _STYLE) != said:  # others wrote it
        reasoning, answer = _split(said)
        texts = tuple(_NUMBER.sub("", line, count=1).strip() for line in _lines(reasoning))
    if not texts or not answer:
        missing = "reasoning" if answer else "answer"
        raise InputError(
            f"{name}: has no {missing}, expected <think>...</think>ANSWER,"
            " <reasoning>...</reasoning><answer>ANSWER</answer>,"
            " or lines and a last one with Answer: ANSWER"
        )
    steps = _as_steps(texts)
    return _trace(record, used, {}, prompt=prompt, steps=steps, final_answer=answer)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def _split(said: str) -> tuple[str, str]:
    """Reasoning and answer of a response; an empty one where it is not there.

    Example:
      >>> _split("Reasoning:\\n1. 2 + 2 = 4.\\nAnswer: 4")
      ('1. 2 + 2 = 4.', '4')
    """
    for tag in ("think", "reasoning"):
        before, closing, after = said.partition(f"</{tag}>")
        if closing:
            _, opening, inside = after.partition("<answer>")
            answer = inside.partition("</answer>")[0] if opening else after
            return before.strip().removeprefix(f"<{tag}>").strip(), answer.strip()
    lines = list(_ANSWER_LINE.finditer(said))
    if not lines:
        return said, ""
    before, after = said[: lines[-1].start()], said[lines[-1].end() :]
    return before.strip().removeprefix("Reasoning:").strip(), after.strip()


def _in_order(record: Record, name: str) -> list[Any]:
    """Steps by their indices, numbered anew; texts alone are steps in the order they stand in."""
    found = _of_type(record, name, list)
    if all(isinstance(step, str) for step in found):
        return _as_steps(found)
    places: dict[int, int] = {}
    for k, step in enumerate(found):
        where = f"{name}.{k}."
        place = _of_type(step if isinstance(step, dict) else {"": step}, "i", int, where)
        if places.setdefault(place, k) != k:
            raise InputError(f"{where}i: {place} is there twice")
    ordered = [found[places[place]] for place in sorted(places)]
    return [{**step, "i": i} for i, step in enumerate(ordered)]


def _present(record: Record, names: tuple[str, ...]) -> str:
    """The first of the names under which the record holds something."""
    for name in names:
        if record.get(name):
            return name
    raise InputError(f"{names[0]}: Field required, as one of: {', '.join(names)}")


def _text(record: Record, name: str, where: str = "") -> str:
    return _of_type(record, name, str, where)


def _of_type(record: Record, name: str, kind: type, where: str = "") -> Any:
    if name not in record:
        raise InputError(f"{where}{name}: Field required")
    value = record[name]
    if type(value) is not kind:
        raise InputError(f"{where}{name}: expected {kind.__name__}, got {type(value).__name__}")
    return value
