"""Chat completions, from any server that has OpenAI's endpoint for them.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

import json
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.client import HTTPException, IncompleteRead
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from tunix_rt_nb.common import InputError, one_line

KEY = "TUNIX_RT_JUDGE_KEY"  # the environment variable that holds the key
_LATER = (408, 409, 425, 429, 500, 502, 503, 504, 529)  # worth another try
_THIS_ONE = (400, 413, 422)  # what was asked is refused, something else may not be
_HINTS = {
    401: f": is {KEY} right?",
    403: f": is {KEY} right?",
    404: ": is it the address before /chat/completions, and the name of a model there?",
}
_MOST_BYTES = 4 << 20
_LONGEST_PAUSE = 60.0


class Unusable(Exception):
    """What came back holds no text; the message says why, `raw` is what it was."""

    def __init__(self, why: str, raw: str) -> None:
        super().__init__(why)
        self.raw = raw


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would take the key to another server."""

    def redirect_request(self, *args: Any) -> None:
        return None


class Endpoint:
    """A model on a server.

    The standard library is enough for it: one request at a time, and one that follows no redirect.

    Args:
      url: as far as `/v1`; `/chat/completions` is put to it.
      model: its name there.
      key: sent as a bearer token, if any; it is in nothing that this class tells.
      timeout: seconds that an answer may take.
      tries: how often one is asked for, where it does not come.
      pause: seconds before the second try; each further pause is twice as long.

    Raises:
      InputError: the address is none, or holds a password; or the key has odd characters.
    """

    def __init__(
        self,
        url: str,
        model: str,
        key: str = "",
        timeout: float = 60.0,
        tries: int = 4,
        pause: float = 1.0,
    ) -> None:
        _check(url, key)
        self.model, self.timeout, self.tries, self.pause = model, timeout, tries, pause
        path = url.rstrip("/")
        self.url = path if path.endswith("/chat/completions") else f"{path}/chat/completions"
        self._key = key
        self._opener = build_opener(_NoRedirect)

    def ask(self, messages: Sequence[Mapping[str, str]]) -> str:
        """What the model says to some messages.

        Raises:
          InputError: the server does not answer, however often it is tried, or lets nobody in.
          Unusable: it answers to this with no text.
        """
        asked = {"model": self.model, "messages": [*messages], "temperature": 0}
        body = json.dumps(asked).encode()
        told, wait = "", 0.0
        for attempt in range(self.tries):
            if attempt:
                time.sleep(max(wait, self.pause * 2 ** (attempt - 1)))
            try:
                return self._said(self._post(body))
            except HTTPError as error:
                told, wait = self._refused(error), _seconds(error.headers["Retry-After"])
            except (OSError, HTTPException, UnicodeError) as error:
                told, wait = self.hide(one_line(str(error) or type(error).__name__)), 0.0
        raise InputError(
            f"judge: {self.url}: no answer in {self.tries} tries, the last time: {told};"
            " what was judged is kept, `runs judge` goes on from there"
        )

    def hide(self, text: str) -> str:
        """A text without the key, which servers like to repeat."""
        return text.replace(self._key, "***") if self._key else text

    def _refused(self, error: HTTPError) -> str:
        """What a status says that may be another the next time; raises where it will not."""
        said = ""
        with error, suppress(OSError, HTTPException):  # the status alone says enough
            said = self.hide(error.read(_MOST_BYTES).decode(errors="replace"))
        told = f"status {error.code}: {one_line(said)}"
        if error.code in _THIS_ONE:
            raise Unusable(f"was refused with {told}", said) from None
        if error.code not in _LATER:
            raise InputError(f"judge: {self.url}: {told}{_HINTS.get(error.code, '')}") from None
        return told

    def _post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        until = time.monotonic() + self.timeout
        parts: list[bytes] = []
        request = Request(self.url, body, headers)
        with self._opener.open(request, timeout=self.timeout) as answer:
            while part := answer.read1(1 << 16):
                parts.append(part)
                if time.monotonic() > until:
                    raise TimeoutError(f"took more than {self.timeout:g} seconds")
                if sum(map(len, parts)) > _MOST_BYTES:
                    raise Unusable(f"has over {_MOST_BYTES >> 20} MiB", "")
            if answer.length:
                raise IncompleteRead(b"", answer.length)
        return b"".join(parts)

    def _said(self, answer: bytes) -> str:
        raw = self.hide(answer.decode(errors="replace"))
        try:
            said = json.loads(raw)["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError, RecursionError):
            raise Unusable("is no chat completion", raw) from None
        if not isinstance(said, str):
            raise Unusable("holds no text", raw)
        return said.encode(errors="replace").decode()  # half a surrogate pair is no character


def _check(url: str, key: str) -> None:
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        right = False
    if not right or re.search(r"[^\x21-\x7e]", url):
        raise InputError("judge: the address is none, expected one like http://127.0.0.1:8000/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InputError(f"judge: no password or query belongs in the address, put a key in {KEY}")
    if re.search(r"[^\x21-\x7e]", key):
        raise InputError(f"judge: {KEY} has a character that no key has, such as a line break")


def _seconds(wait: str | None) -> float:
    """Of a Retry-After in seconds; one that is a date is passed over."""
    return min(float(wait), _LONGEST_PAUSE) if wait and wait.isdecimal() else 0.0
