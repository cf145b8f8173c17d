"""Sieves: the reasons for which steps leave out traces, and the parameter behind each reason."""

from tunix_rt_nb.runs.folder import Result

SIEVES = {  # reason -> what is left out, and the parameter that governs it
    "duplicate_prompt": ("duplicate prompts", "STRATEGY says which trace of a prompt is kept"),
    "near_duplicate": ("near duplicates", "NEAR_DUPLICATES sets the threshold"),
    "in_eval_set": ("prompts of eval sets", "EVAL_SETS names the sets"),
    "too_long": ("long examples", "MAX_LENGTH sets the longest"),
}


def notes(result: Result) -> list[str]:
    """Return a line for each reason for which a step left out more than a tenth of the traces.

    Another line says how many responses parse into other steps than their traces have.

    Args:
      result: the content of the step's `result.json`. `rejected` has the number of traces left out
        for each reason; `split` or `examples` has the number left on each side, train and eval.

    Example:
      >>> notes({"examples": {"train": 1, "eval": 0}, "rejected": {"too_long": 199}})
      ['long examples: 199 of 200 left out, more than a tenth: MAX_LENGTH sets the longest']
    """
    rejected = result.get("rejected", {})
    kept = result.get("split", result.get("examples", {}))
    whole = sum(kept.values()) + sum(rejected.values())
    otherwise = result.get("read_otherwise", 0)
    told = (
        f"{otherwise:,} responses read back with other steps: a line in a step begins like a step"
    )
    return [told] * bool(otherwise) + [
        f"{name}: {rejected[reason]:,} of {whole:,} left out, more than a tenth: {parameter}"
        for reason, (name, parameter) in SIEVES.items()
        if rejected.get(reason, 0) * 10 > whole
    ]
