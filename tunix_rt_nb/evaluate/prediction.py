"""The fields of a prediction: one answer to one item, graded. Files hold one per line, as JSON."""

from typing import Annotated, NotRequired

from pydantic import AfterValidator, ConfigDict, Field, with_config
from typing_extensions import TypedDict  # Pydantic accepts that of `typing` only from 3.12 on

from tunix_rt_nb.trace import EARLIER, Earlier


def _in_turn(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return messages unchanged if user and assistant take turns; raise ValueError if not.

    A system message may come first.
    """
    try:
        Earlier.of({EARLIER: messages})
    except ValueError as error:
        raise ValueError(f"{error}".removeprefix(f"meta.{EARLIER}: ")) from None
    return messages


Text = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
_Number = Annotated[str, Field(pattern="^[1-9][0-9]{0,8}$")]  # of a step, from 1

FORM = ("template", "style", "form_sha256")  # the fields that say how a model was asked
SECTIONS = ("core", "trace_sensitive", "edge_case")  # the sections of an eval set
HELD_OUT = "held_out"  # the section of an item that is in no eval set
OUTCOMES = {  # outcome of an answer and its steps -> its name for people
    "right": "right answer, no wrong step",
    "right_answer_wrong_reasons": "right answer for wrong reasons",
    "right_reasons_wrong_answer": "right steps, wrong answer",
    "wrong": "wrong step, wrong answer",
    "no_answer": "no answer",
}


class Asked(TypedDict):
    """An item that a model was asked: its id, its prompt and, if any, the messages before it."""

    id: Text
    prompt: str
    earlier_messages: NotRequired[Annotated[list[dict[str, str]], AfterValidator(_in_turn)]]


class Answered(Asked):
    """A model's response to an item, not graded yet."""

    response: str


class Grade(Answered):
    """An answer to an item, graded.

    Attributes:
      section, task, difficulty: the groups that the item belongs to.
      response: the text that the model wrote, up to its stop token.
      answer: the answer in the response; None if none was found.
      score: how right the answer is, from 0 to 1, without the Markdown, LaTeX or label around it.
      strict_score: how right the answer is exactly as written; 0 if the response is not in the
        style.
      grader: the name of the grader that decided the score: `task` if the item's task verified the
        answer; else the first of a fixed order of graders that could decide; `none` if none could.
      disagree: name of a grader -> its score, for each other grader that decided otherwise.
      steps_right: the share of the written steps that are right; a missing step counts as wrong.
        If no task can verify the item, only steps that can be checked count; None if there
        are none.
      step_counts: the number of written steps that are `right`, `wrong` and `unchecked`.
      wrong_steps: number of a step, counted from 1 -> why it is wrong.
      first_wrong: the number of the first step that is wrong or missing, or None.
      outcome: one of `OUTCOMES`.
      strict_format, ran_on, stopped: whether the response kept to the style, went on after its
        answer, and ended with a stop token.
      tokens: the number of tokens in the response.
    """

    task: str
    expected_answer: str
    answer: str | None
    score: Share
    steps_right: Share | None
    section: NotRequired[str]
    difficulty: NotRequired[str | None]
    strict_score: NotRequired[float]
    grader: NotRequired[str]
    disagree: NotRequired[dict[str, float]]
    step_counts: NotRequired[dict[str, int]]
    wrong_steps: NotRequired[dict[_Number, str]]
    first_wrong: NotRequired[int | None]
    outcome: NotRequired[str]
    strict_format: NotRequired[bool]
    ran_on: NotRequired[bool]
    stopped: NotRequired[bool]
    tokens: NotRequired[int]


@with_config(ConfigDict(extra="allow", strict=True))
class Prediction(Grade):
    """A graded answer, and how the model was asked.

    When a file of predictions is read, each line is checked for these fields and their types.

    Attributes:
      form_sha256: the hash of template, style and system message.
      sample: the number of this answer among several to one item, counted from 0.
      checked: what checked the steps while they were written, a key of `checking.CHECKS`. This and
        the next two are missing if nothing did.
      abstained: True if the model gave up the answer, because the check refused it too often.
      redrawn: the number of tokens that were taken back.
    """

    template: str
    style: str
    form_sha256: str
    max_new_tokens: NotRequired[int]
    temperature: NotRequired[float]
    sample: NotRequired[int]
    checked: NotRequired[str]
    abstained: NotRequired[bool]
    redrawn: NotRequired[int]


def outcome_of(answer: str | None, score: float, sound: bool) -> str:
    """Return the outcome of an answer and its steps, a key of `OUTCOMES`.

    Args:
      answer: the answer; None if there is none.
      score: how right the answer is, from 0 to 1.
      sound: True if no step is wrong or missing, as far as steps can be checked.

    Example:
      >>> outcome_of("7", 1.0, sound=False)
      'right_answer_wrong_reasons'
    """
    if answer is None:
        return "no_answer"
    if score == 1.0:
        return "right" if sound else "right_answer_wrong_reasons"
    return "right_reasons_wrong_answer" if sound else "wrong"


def outcome(prediction: Grade) -> str:
    """Return the outcome of a prediction; derive it if an older prediction does not have it."""
    sound = prediction["steps_right"] in (1.0, None)
    derived = outcome_of(prediction["answer"], prediction["score"], sound)
    return prediction.get("outcome", derived)


def first_wrong(prediction: Grade) -> int | None:
    """Return the number of the first step that is wrong or missing, or None.

    An older prediction lacks this field; then return the first number in `wrong_steps`.
    """
    known = min(map(int, prediction.get("wrong_steps", {})), default=None)
    return prediction.get("first_wrong", known)
