"""The grader that a user names in addition to the built-in ones: a Python file, or a judge."""

from pathlib import Path

from tunix_rt_nb.common import InputError
from tunix_rt_nb.evaluate.graders.judged import NAME as JUDGE, Judge
from tunix_rt_nb.evaluate.graders.own import Own, load_grader
from tunix_rt_nb.evaluate.judge import endpoint


def named_grader(name: str | Path, url: str = "", model: str = "") -> Own | Judge | None:
    """Return the grader that a name stands for.

    Args:
      name: a Python file with `grade(answer, expected, prompt)`; `judge` for a language model that
        compares the answers that no other grader can compare; or empty for no grader.
      url: the endpoint of the judge, up to `/v1`.
      model: the name of the judge's model at that endpoint.

    Raises:
      InputError: the file cannot be loaded, its grader fails, or the judge has no valid endpoint.

    Example:
      >>> named_grader("") is None
      True
      >>> named_grader("judge", "http://127.0.0.1:8000/v1", "gemma").endpoint.model
      'gemma'
    """
    if not name:
        return None
    if str(name) != JUDGE:
        return load_grader(name)
    if not (url and model):
        raise InputError("judge: expected an endpoint (JUDGE) and a model (JUDGE_MODEL)")
    return Judge(endpoint(url, model))
