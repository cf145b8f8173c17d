"""The types that the fields of a scorecard must have when it is read from a file.

A field that not every version wrote may be missing. `scorecard.py` says what the fields mean.
"""

from typing import Annotated, NotRequired

import typing_extensions
from annotated_types import Len
from pydantic import ConfigDict, with_config

from tunix_rt_nb.evaluate.prediction import Share

_STRICT = ConfigDict(strict=True)
_Interval = Annotated[list[Share], Len(2, 2)]
_Counts = dict[str, int]


@with_config(_STRICT)
class _Group(typing_extensions.TypedDict):
    n: int
    score: Share
    steps_right: Share | None


class _WithInterval(_Group):
    interval: _Interval


@with_config(_STRICT)
class _Card(typing_extensions.TypedDict):
    n_scored: int
    n_items: NotRequired[int]
    n_skipped: NotRequired[int]
    skipped: NotRequired[_Counts]
    primary_score: Share
    interval: _Interval
    stddev: NotRequired[Share]
    min_score: NotRequired[Share]
    max_score: NotRequired[Share]
    steps_right: Share | None
    all_right: NotRequired[Share]
    all_right_interval: NotRequired[_Interval]
    section_scores: NotRequired[dict[str, _WithInterval]]
    category_scores: dict[str, _Group]
    difficulty_scores: NotRequired[dict[str, _WithInterval]]
    strict_score: Share
    strict_format: NotRequired[Share]
    ran_on: NotRequired[Share]
    stopped: NotRequired[Share]
    mean_tokens: NotRequired[float]
    outcomes: NotRequired[_Counts]
    abstained: NotRequired[int]
    redrawn: NotRequired[float]
    graders: NotRequired[_Counts]
    verbatim: NotRequired[int]
    disagreements: NotRequired[int]
    step_counts: NotRequired[_Counts]
    samples: NotRequired[int]
    pass_at: NotRequired[dict[str, Share]]
    majority_score: NotRequired[Share]
    template: NotRequired[str | None]
    style: NotRequired[str | None]
    form_sha256: NotRequired[str | None]
    max_new_tokens: NotRequired[int | None]
    temperature: NotRequired[float | None]
    items_sha256: NotRequired[str]


class Cards(typing_extensions.TypedDict):
    """The scorecards in the `result.json` of an evaluation, before and after training."""

    before: _Card
    after: _Card


class Improved(typing_extensions.TypedDict):
    """The scorecard in the `result.json` of an improvement."""

    improved: _Card
