"""Records of the tracing service `tunix-rt`, and records exported in the format `trace`."""

from typing import Any

from tunix_rt_nb.common import InputError
from tunix_rt_nb.trace.formats.record import (
    Exported,
    Format,
    Full,
    Record,
    as_steps,
    make_trace,
    of_type,
    text,
)
from tunix_rt_nb.trace.response import respond
from tunix_rt_nb.trace.trace import Earlier, Trace


class _Trace(Exported):
    prompts: Full
    trace_steps: list[str]
    final_answer: Full

    def turns(self) -> tuple[Earlier, str, str]:
        steps = [("step", content) for content in self.trace_steps]
        return Earlier(), self.prompts, respond(Trace.of(self.prompts, steps, self.final_answer))


def reference(record: Record) -> Trace:
    """Make a trace of a record of the service `tunix-rt`, or of one exported in the format `trace`.

    The service may put the fields of a record under `payload`. The steps are sorted by their
    indices, which may have gaps, and numbered again from 0.

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
    return make_trace(
        record,
        (*names, "trace_version", "final_answer"),
        prompt=text(record, prompt),
        steps=_in_order(record, steps),
        final_answer=text(record, "final_answer"),
        meta=of_type(record, meta, dict) if record.get(meta) is not None else {},
        trace_version=record.get("trace_version", "1.0"),
    )


def _in_order(record: Record, name: str) -> list[Any]:
    """Return the steps in the field `name`, sorted by their index `i` and renumbered from 0.

    If all steps are plain texts, return them in their order.

    Raises:
      InputError: a step has no index, or two steps have the same index.
    """
    found = of_type(record, name, list)
    if all(isinstance(step, str) for step in found):
        return as_steps(found)
    places: dict[int, int] = {}
    for k, step in enumerate(found):
        where = f"{name}.{k}."
        place = of_type(step if isinstance(step, dict) else {"": step}, "i", int, where)
        if places.setdefault(place, k) != k:
            raise InputError(f"{where}i: {place} occurs twice")
    ordered = [found[places[place]] for place in sorted(places)]
    return [{**step, "i": i} for i, step in enumerate(ordered)]


TRACE = Format("trace", Trace.model_validate, _Trace, reads_back="reference")
REFERENCE = Format("reference", reference)
