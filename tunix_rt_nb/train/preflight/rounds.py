"""Rounds in which a model answers and learns: their memory and time, from those of the programs."""

from collections.abc import Iterator, Mapping
from typing import Any

from tunix_rt_nb.train.preflight import findings
from tunix_rt_nb.train.preflight.ask import memory


def of_rounds(
    step: findings.Training, answers: findings.Generation, improve: Mapping[str, Any]
) -> findings.Rounds:
    """Return the memory and the time of the rounds of `6_improve`.

    While a model answers, the state of the optimiser stays on the chips, and so does the model of
    the start, which tells how far it has come.

    Args:
      step: what `preflight.train` found.
      answers: what `preflight.generate` found.
      improve: the parameters of `6_improve`: `ROUNDS`, `PROMPTS`, `GROUP`, `ROUND_STEPS`,
        `EVAL_BATCH_SIZE` and `MAX_NEW_TOKENS`.
    """
    programs = [answers["prefill"], *([answers["decode"]] if "decode" in answers else [])]
    resident = {
        "optimizer": step["parts"]["optimizer"],
        "model of the start": step["parts"]["weights"],
    }
    needed = max(program["needed"] for program in programs) + sum(resident.values())
    available = step["available"]
    found: findings.Rounds = {
        "fits": step["fits"] and answers["fits"] and needed <= available,
        "needed": needed,
        "available": available,
        "parts": resident,
    }
    if found["fits"]:
        asked = improve["PROMPTS"] * improve["GROUP"]
        batches = -(-asked // improve["EVAL_BATCH_SIZE"])
        written = improve["MAX_NEW_TOKENS"] * answers["decode"]["seconds"]
        found["answering"] = batches * (answers["prefill"]["seconds"] + written)
        found["learning"] = improve["ROUND_STEPS"] * step["seconds"]
        seconds = found["answering"] + found["learning"]
        found["hours"] = improve["ROUNDS"] * seconds / 3600
    return found


def page_of_rounds(found: findings.Rounds) -> str:
    """Format what `of_rounds` returned as text."""
    return "\n".join(_lines(found))


def _lines(found: findings.Rounds) -> Iterator[str]:
    yield from (f"answering in rounds: {line}" for line in memory(found))
    if found["fits"]:
        yield (
            f"a round: at least {found['answering']:,.0f} s to answer and"
            f" {found['learning']:,.0f} s to learn; all rounds take at least {found['hours']:.2f} h"
        )
