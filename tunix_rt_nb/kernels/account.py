"""A Kaggle account: the `kaggle` package's API, asked with patience, its errors told in one line.

The credentials stay where that package looks for them. Nothing here reads, prints or writes them.
"""

import contextlib
import io
import time
from collections.abc import Callable
from typing import Any, TypeVar

import requests
from requests.adapters import HTTPAdapter

from tunix_rt_nb.errors import InputError
from tunix_rt_nb.text import one_line

TIMEOUT = 60.0  # seconds to wait for an answer; the package itself would wait for ever
TRIES = 5
PAUSE = 1.0  # seconds before the second try, then twice as long each time
LONGEST = 120.0  # seconds to wait because Kaggle asks for it

_T = TypeVar("_T")


class _Patient(HTTPAdapter):
    """Waits for an answer, but not for ever."""

    def send(self, request: Any, **how: Any) -> requests.Response:  # type: ignore[override]
        return super().send(request, **{**how, "timeout": how.get("timeout") or TIMEOUT})


def login() -> Any:
    """The API of the `kaggle` package, with the credentials that it finds.

    Raises:
      InputError: it finds none, or they are refused.
    """
    quiet = io.StringIO()  # the package prints a page of help, and imports with a login
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        from kaggle.api.kaggle_api_extended import KaggleApi

        api = KaggleApi()
        build = api.build_kaggle_client
        api.build_kaggle_client = lambda: _patient(build())
        try:
            asked("login", api.authenticate)
        except SystemExit:
            raise InputError(
                "no Kaggle credentials: make a token at https://www.kaggle.com/settings and set"
                " KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY, or put kaggle.json into"
                " ~/.kaggle"
            ) from None
    return api


def username(api: Any) -> str:
    """Whose account it is."""
    return str(api.get_config_value(api.CONFIG_NAME_USER))


def _patient(client: Any) -> Any:
    http = client.http_client()
    http._init_session()
    for scheme in ("http://", "https://"):
        http._session.mount(scheme, _Patient())
    return client


def asked(what: str, call: Callable[[], _T], again: bool = True) -> _T:
    """What a call of the API returns.

    Args:
      what: is named in errors: the handle, or what is done.
      again: whether the call may be repeated after an error that passes; one that changes something
        may not, unless Kaggle says that it has not been looked at (429).

    Raises:
      InputError: no answer, or a refusal, with what to do about it.
    """
    for attempt in range(1, TRIES + 1):
        try:
            return call()
        except InputError:
            raise
        except (requests.RequestException, ValueError) as error:
            status = _status(error)
            passes = status == 429 or (again and (_is_broken(error) or (status or 0) >= 500))
            if not passes or attempt == TRIES:
                raise told(what, error) from None
            time.sleep(_wait(error, attempt))
    raise AssertionError("the last attempt returns or raises")


def found(what: str, call: Callable[[], _T]) -> _T | None:
    """As `asked`, but None where Kaggle knows of no such thing that one may see."""

    def ask() -> _T | None:
        try:
            return call()
        except requests.HTTPError as error:
            if _status(error) in (403, 404):
                return None
            raise

    return asked(what, ask)


def _status(error: Exception) -> int | None:
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
    return min(float(asked_for), LONGEST) if asked_for.isdigit() else PAUSE * 2 ** (attempt - 1)


def told(what: str, error: Exception) -> InputError:
    """The error of a call in one line. Its own text is left out where it may hold an address."""
    status = _status(error)
    if status == 401:
        return InputError(
            f"{what}: Kaggle refuses the credentials (401): make a new token at"
            " https://www.kaggle.com/settings"
        )
    if status in (403, 404):
        return InputError(
            f"{what}: Kaggle knows of none that you may see ({status}): check owner and slug"
            " as they are in the address of its page"
        )
    if status == 429:
        return InputError(f"{what}: Kaggle asks for patience (429), try again in some minutes")
    if status is not None:
        return InputError(f"{what}: Kaggle answers {status}, try again later")
    if isinstance(error, requests.Timeout):
        return InputError(f"{what}: no answer from Kaggle in {TIMEOUT:.0f} s, try again later")
    if isinstance(error, requests.RequestException):
        return InputError(
            f"{what}: the connection to Kaggle broke ({type(error).__name__}), check the"
            " network and try again"
        )
    return InputError(f"{what}: {one_line(str(error))}")
