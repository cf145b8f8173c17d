"""5 evaluate: answers of a model to held-out prompts, graded step by step, and compared."""

from tunix_rt_nb.evaluate import harness, judge, predictions
from tunix_rt_nb.evaluate.compare import Comparison, change, compare, verdict
from tunix_rt_nb.evaluate.items import choose, digest
from tunix_rt_nb.evaluate.predict import predict
from tunix_rt_nb.evaluate.prediction import OUTCOMES, Prediction, first_wrong, outcome
from tunix_rt_nb.evaluate.scorecard import (
    FEWEST,
    STRICT,
    Scorecard,
    by_item,
    headline,
    scorecard,
    scorecards,
    warnings,
)
