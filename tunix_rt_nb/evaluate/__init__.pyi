from . import harness as harness, judge as judge, predictions as predictions, trial as trial
from .checking import CHECKS as CHECKS, Reader as Reader, find_named as find_named
from .comparison import (
    Comparison as Comparison,
    change as change,
    compare as compare,
    verdict as verdict,
)
from .conversation import Conversation as Conversation, Reply as Reply
from .graded import predictions_of as predictions_of
from .graders.judged import Judge as Judge
from .graders.ladder import Marked as Marked, look as look, mark as mark, verdicts as verdicts
from .graders.named import named_grader as named_grader
from .graders.own import Own as Own, load_grader as load_grader
from .graders.sentences import VERBATIM as VERBATIM, verbatim as verbatim
from .items import choose as choose, digest as digest, task_of as task_of
from .kept import Kept as Kept
from .prediction import (
    OUTCOMES as OUTCOMES,
    Prediction as Prediction,
    first_wrong as first_wrong,
    outcome as outcome,
)
from .predictor import predict as predict
from .remarks import notes as notes, warnings as warnings
from .scorecard import (
    FEWEST as FEWEST,
    STRICT as STRICT,
    Scorecard as Scorecard,
    by_item as by_item,
    grouped as grouped,
    headline as headline,
    scorecards as scorecards,
    sum_up as sum_up,
)
