"""A Kaggle account: the API of the `kaggle` package, with retries and one-line errors.

The credentials stay where that package looks for them. Nothing here reads, prints or writes them.
"""

import contextlib
import io
import re
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import requests
from requests.adapters import HTTPAdapter

from tunix_rt_nb.common import InputError, one_line

TIMEOUT = 60.0  # seconds to wait for an answer; the package itself would wait for ever
TRIES = 5
PAUSE = 1.0  # seconds before the second try; doubled before each further try
LONGEST = 120.0  # most seconds between two tries
_SECRET = re.compile("bearer|basic", re.IGNORECASE)  # a text that matches may quote credentials

_BROKEN = requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError

Told = Callable[[str], None]
_T = TypeVar("_T")


def login() -> Any:
    """Log in with the credentials that the `kaggle` package finds, and return its API.

    Raises:
      InputError: it finds no credentials, or Kaggle refuses them.
    """
    with quiet(), bounded():  # importing the package logs in, and prints a page of help
        from kaggle.api.kaggle_api_extended import KaggleApi

        api = KaggleApi()
    # If the environment has VERBOSE, the package prints each request, with the credentials in its
    # headers.
    api.args = [argument for argument in api.args if argument not in ("--verbose", "-v")]
    try:
        asked("login", api.authenticate)
    except SystemExit:
        raise InputError(
            "there are no Kaggle credentials: make a token at https://www.kaggle.com/settings and"
            " set KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY, or put kaggle.json into"
            " ~/.kaggle"
        ) from None
    except (AttributeError, TypeError):  # the package accepts any JSON as a key
        raise InputError(
            f"{api.config}: is not a Kaggle key, make a token at https://www.kaggle.com/settings"
        ) from None
    return api


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide what the `kaggle` package prints, such as URLs that grant access to whoever has them."""
    nowhere = io.StringIO()
    with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Give each HTTP request of this process a timeout, unless it has one, within a `with` block.

    Also keep `requests` from silently repeating a request whose connection broke, because the
    `kaggle` package itself resumes an upload where it stopped.
    """
    send = HTTPAdapter.send

    def patient(self: HTTPAdapter, request: Any, **how: Any) -> requests.Response:
        self.max_retries = self.max_retries.new(read=False)
        return send(self, request, **{**how, "timeout": how.get("timeout") or TIMEOUT})

    HTTPAdapter.send = patient  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        HTTPAdapter.send = send  # type: ignore[method-assign]


def username(api: Any) -> str:
    """Return the user name of the account."""
    return str(api.get_config_value(api.CONFIG_NAME_USER))


def asked(what: str, call: Callable[[], _T], again: bool = True, tries: int = 0) -> _T:
    """Call the API, retry after temporary errors, and return the result.

    Args:
      what: the handle or the action, to be named in errors.
      call: the call; it takes no arguments.
      again: whether to retry after a broken connection or a server error. Pass False for a call
        that changes something, because it may have succeeded. After a 429 every call is retried,
        because Kaggle has not processed it.
      tries: the most calls; 0 means `TRIES`.

    Raises:
      InputError: Kaggle does not answer, or refuses; the message says what to do.
    """
    tries = tries or TRIES
    for attempt in range(1, tries + 1):
        try:
            with quiet(), bounded():
                return call()
        except InputError:
            raise
        except (requests.RequestException, ValueError) as error:
            code = status(error)
            passes = code == 429 or (again and (isinstance(error, _BROKEN) or (code or 0) >= 500))
            if not passes or attempt == tries:
                raise told(what, error) from None
            time.sleep(_wait(error, attempt))
    raise AssertionError("the last attempt returns or raises")


def found(what: str, call: Callable[[], _T], tries: int = 0) -> _T | None:
    """Call the API as `asked` does, but return None if Kaggle answers 403 or 404.

    These answers mean that the requested thing is missing or private.

    Args:
      what: the handle or the action, to be named in errors.
      call: the call; it takes no arguments.
      tries: the most calls; 0 means `TRIES`.

    Raises:
      InputError: Kaggle does not answer, or refuses for another reason.
    """

    def ask() -> _T | None:
        try:
            return call()
        except requests.HTTPError as error:
            if status(error) in (403, 404):
                return None
            raise

    return asked(what, ask, tries=tries)


def status(error: Exception) -> int | None:
    """Return the HTTP status of an error; None if it has none.

    The `kaggle` package turns some errors into a ValueError, whose context is the HTTP error.
    """
    for known in (error, error.__context__):
        response = getattr(known, "response", None)
        if response is not None:
            return int(response.status_code)
    return None


def _wait(error: Exception, attempt: int) -> float:
    """Return the seconds to wait before the next try, at most `LONGEST`.

    If the Retry-After header is a number, return that. Else return `PAUSE` after the first try, and
    twice as long after each further try.

    Args:
      error: the error of the last try.
      attempt: the number of that try, from 1.
    """
    response = getattr(error, "response", None)
    asked_for = response.headers.get("Retry-After", "") if response is not None else ""
    return min(float(asked_for) if asked_for.isdigit() else PAUSE * 2 ** (attempt - 1), LONGEST)


def told(what: str, error: Exception) -> InputError:
    """Convert an error raised by a call of the API to an `InputError` of one line.

    Keep the text of the error only if the `kaggle` package itself raised it, because other errors
    may quote credentials.

    Args:
      what: the handle or the action; the message begins with it.
      error: the error.
    """
    code = status(error)
    if code == 401:
        return InputError(
            f"{what}: Kaggle refuses the credentials (401): make a new token at"
            " https://www.kaggle.com/settings"
        )
    if code in (403, 404):
        return unknown(what)
    if code == 429:
        return InputError(f"{what}: Kaggle got too many requests (429), try again in some minutes")
    if code is not None:
        return InputError(f"{what}: Kaggle answers with status {code}, try again later")
    if isinstance(error, requests.Timeout):
        return InputError(f"{what}: Kaggle did not answer in {TIMEOUT:.0f} s, try again later")
    if isinstance(error, requests.RequestException):
        return InputError(
            f"{what}: the connection to Kaggle broke ({type(error).__name__}), check the"
            " network and try again"
        )
    text = one_line(str(error))
    if _is_of_input(error) and not _SECRET.search(text):
        return InputError(f"{what}: {text}")
    return InputError(
        f"{what}: the request could not be sent to Kaggle ({type(error).__name__}): check the"
        " credentials for a line break or an odd character"
    )


def _is_of_input(error: Exception) -> bool:
    """Tell whether the `kaggle` package itself raised an error.

    Errors of other packages may quote their arguments, such as a header with credentials.
    """
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__", "")).startswith("kaggle.")


def unknown(what: str) -> InputError:
    """Return the error for something missing or private; Kaggle does not tell these two apart.

    Args:
      what: the handle of the thing; the message begins with it.
    """
    return InputError(
        f"{what}: does not exist on Kaggle, or you may not see it: compare owner and slug with the"
        " address of its page"
    )
