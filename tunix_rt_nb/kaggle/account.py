"""A Kaggle account: the `kaggle` package's API, asked with patience, its errors told in one line.

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
PAUSE = 1.0  # seconds before the second try, then twice as long each time
LONGEST = 120.0  # seconds between two tries
_SECRET = re.compile("bearer|basic", re.IGNORECASE)

_T = TypeVar("_T")


def login() -> Any:
    """The API of the `kaggle` package, with the credentials that it finds.

    Raises:
      InputError: it finds none, or they are refused.
    """
    with quiet(), bounded():  # as it is imported it logs in, and prints a page of help
        from kaggle.api.kaggle_api_extended import KaggleApi

        api = KaggleApi()
    # With VERBOSE in the environment it prints each request, the credentials among its headers.
    api.args = [argument for argument in api.args if argument not in ("--verbose", "-v")]
    try:
        asked("login", api.authenticate)
    except SystemExit:
        raise InputError(
            "no Kaggle credentials: make a token at https://www.kaggle.com/settings and set"
            " KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY, or put kaggle.json into"
            " ~/.kaggle"
        ) from None
    except (AttributeError, TypeError):  # it takes whatever JSON is there
        raise InputError(
            f"{api.config}: is no Kaggle key, make a token at https://www.kaggle.com/settings"
        ) from None
    return api


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps what the package prints from the terminal: addresses with permissions in them."""
    nowhere = io.StringIO()
    with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Lets each request that is made meanwhile, by whomever, wait for an answer but not for ever.

    What broke is not sent again behind one's back: the package resumes an upload where it broke.
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
    """Whose account it is."""
    return str(api.get_config_value(api.CONFIG_NAME_USER))


def asked(what: str, call: Callable[[], _T], again: bool = True, tries: int = 0) -> _T:
    """What a call of the API returns.

    Args:
      what: is named in errors: the handle, or what is done.
      again: whether the call may be repeated after an error that passes; one that changes something
        may not, unless Kaggle says that it has not been looked at (429).
      tries: how often it is called; 0: `TRIES` times.

    Raises:
      InputError: no answer, or a refusal, with what to do about it.
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
            passes = code == 429 or (again and (_is_broken(error) or (code or 0) >= 500))
            if not passes or attempt == tries:
                raise told(what, error) from None
            time.sleep(_wait(error, attempt))
    raise AssertionError("the last attempt returns or raises")


def found(what: str, call: Callable[[], _T], tries: int = 0) -> _T | None:
    """As `asked`, but None where Kaggle knows of no such thing that one may see."""

    def ask() -> _T | None:
        try:
            return call()
        except requests.HTTPError as error:
            if status(error) in (403, 404):
                return None
            raise

    return asked(what, ask, tries=tries)


def status(error: Exception) -> int | None:
    """The HTTP status of an error; the package turns some into a ValueError, in their context."""
    for known in (error, error.__context__):
        response = getattr(known, "response", None)
        if response is not None:
            return int(response.status_code)
    return None


def _is_broken(error: Exception) -> bool:
    kinds = requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError
    return isinstance(error, kinds)


def _wait(error: Exception, attempt: int) -> float:
    """Seconds until the next try: what Kaggle asks for, or twice as long each time."""
    response = getattr(error, "response", None)
    asked_for = response.headers.get("Retry-After", "") if response is not None else ""
    return min(float(asked_for) if asked_for.isdigit() else PAUSE * 2 ** (attempt - 1), LONGEST)


def told(what: str, error: Exception) -> InputError:
    """The error of a call in one line; of its own text only what the package says of its input."""
    code = status(error)
    if code == 401:
        return InputError(
            f"{what}: Kaggle refuses the credentials (401): make a new token at"
            " https://www.kaggle.com/settings"
        )
    if code in (403, 404):
        return unknown(what)
    if code == 429:
        return InputError(f"{what}: Kaggle asks for patience (429), try again in some minutes")
    if code is not None:
        return InputError(f"{what}: Kaggle answers {code}, try again later")
    if isinstance(error, requests.Timeout):
        return InputError(f"{what}: no answer from Kaggle in {TIMEOUT:.0f} s, try again later")
    if isinstance(error, requests.RequestException):
        return InputError(
            f"{what}: the connection to Kaggle broke ({type(error).__name__}), check the"
            " network and try again"
        )
    text = one_line(str(error))
    if _is_of_input(error) and not _SECRET.search(text):
        return InputError(f"{what}: {text}")
    return InputError(
        f"{what}: nothing could be asked of Kaggle ({type(error).__name__}): is there a line break"
        " or an odd character in the credentials?"
    )


def _is_of_input(error: Exception) -> bool:
    """Whether the package itself raised it; others tell what they were given: a header, say."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__", "")).startswith("kaggle.")


def unknown(what: str) -> InputError:
    """The error for what is not there, or may not be seen, which Kaggle keeps apart for itself."""
    return InputError(
        f"{what}: Kaggle knows of none that you may see: check owner and slug as they are in the"
        " address of its page"
    )
