"""A client for chat completions on any server that has OpenAI's endpoint for them.

httpx and tenacity are imported when a request is made, so that `evaluate` loads without them.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

import asyncio
import json
import re
import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import TYPE_CHECKING

from tunix_rt_nb.common import InputError, one_line

if TYPE_CHECKING:
    import httpx

KEY = "TUNIX_RT_JUDGE_KEY"  # the environment variable that holds the key
_LATER = (408, 409, 425, 429, 500, 502, 503, 504, 529)  # statuses worth another try
_THIS_ONE = (400, 413, 422)  # the server refuses this request, but may accept another
_HINTS = {
    401: f": is {KEY} right?",
    403: f": is {KEY} right?",
    404: ": is it the address before /chat/completions, and the name of a model there?",
}
_MOST_BYTES = 4 << 20
_LONGEST_PAUSE = 60.0


class Unusable(Exception):
    """The server's answer cannot be used: the message says why, `raw` holds the answer."""

    def __init__(self, why: str, raw: str) -> None:
        super().__init__(why)
        self.raw = raw


class _Later(Exception):
    """A failure that another try may mend, and the seconds that the server asks to wait."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


class Endpoint:
    """A chat model behind an HTTP endpoint.

    It follows no redirect, because a redirect would take the key to another server. It uses the
    proxies of the environment, except for a loopback address.

    Args:
      url: the address up to `/v1`; `/chat/completions` is appended if it is missing.
      model: the name of the model on that server.
      key: sent as a bearer token, unless it is empty. No message and no error shows it.
      timeout: seconds for a whole request, from the connection to the last byte of the answer.
      tries: how many times to send a request that fails, the first time included.
      pause: seconds before the second try; each further pause is twice as long.

    Raises:
      InputError: the address is not valid, or holds a password; or the key is malformed.
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
        self._proxied = not _is_loopback(_check(url, key))
        self.model, self.timeout, self.tries, self.pause = model, timeout, tries, pause
        path = url.rstrip("/")
        self.url = path if path.endswith("/chat/completions") else f"{path}/chat/completions"
        self._tls = ssl.create_default_context()  # once, because it takes long to load
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # a small answer cannot unpack to a huge one
            "Content-Type": "application/json",
        }
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._spellings = re.compile(_spellings(key) if key else "(?!)")

    def ask(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Return the model's answer to `messages`, with the key hidden if it occurs there.

        Raises:
          InputError: every try fails, or the server refuses access.
          Unusable: the server answers, but without text.
        """
        import tenacity

        backoff = tenacity.wait_exponential(self.pause, max=_LONGEST_PAUSE)

        def pause(state: tenacity.RetryCallState) -> float:
            """Return the seconds until the next try, at least as many as the server asks for."""
            error = state.outcome and state.outcome.exception()
            return max(backoff(state), error.wait if isinstance(error, _Later) else 0.0)

        asked = {"model": self.model, "messages": [*messages], "temperature": 0}
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Later),
            stop=tenacity.stop_after_attempt(self.tries),
            wait=pause,
            reraise=True,
        )
        try:
            return retrying(self._try, json.dumps(asked).encode())
        except _Later as error:
            raise InputError(
                f"judge: {self.url}: no answer in {self.tries} tries, the last time: {error};"
                " the answers so far are kept, run the same step or command again to continue"
            ) from None

    def hide(self, text: str) -> str:
        r"""Replace the key, in any JSON spelling, by `***` in a text that a server sent.

        Example:
          >>> Endpoint("http://127.0.0.1/v1", "gemma", "s/k").hide(r"s/k \u0073\/\u006B")
          '*** ***'
        """
        return self._spellings.sub("***", text)

    def _try(self, body: bytes) -> str:
        """Send a request once, and return the text of the model's answer.

        Args:
          body: the request as JSON.

        Raises:
          _Later: another try may succeed.
          Unusable: the server answers without text, or refuses only this request.
          InputError: the server would refuse every request, because the key is wrong, for example.
        """
        # A thread of its own, because a notebook's thread already runs an event loop.
        with ThreadPoolExecutor(1) as thread:
            status, wait, answer = thread.submit(asyncio.run, self._post(body)).result()
        raw = self.hide(answer.decode(errors="replace"))
        if 200 <= status < 300:
            return self._text(raw, len(answer))
        told = f"status {status}: {one_line(raw)}"
        if status in _LATER:
            raise _Later(told, wait)
        if status in _THIS_ONE:
            raise Unusable(f"was refused with {told}", raw)
        raise InputError(f"judge: {self.url}: {told}{_HINTS.get(status, '')}")

    async def _post(self, body: bytes) -> tuple[int, float, bytes]:
        """Send a request; return the status, the seconds to wait before another try, and the body.

        A body of more than 4 MiB is cut off. One deadline covers everything, because httpx's own
        timeouts start again with each byte. Only a slow DNS lookup can exceed the deadline, because
        Python cannot interrupt it.
        """
        import httpx

        status, wait, answer = 0, 0.0, bytearray()
        try:
            async with (
                asyncio.timeout(self.timeout),
                self._client() as client,
                client.stream("POST", self.url, content=body, headers=self._headers) as response,
            ):
                status, wait = response.status_code, _seconds(response.headers.get("Retry-After"))
                async for part in response.aiter_raw():
                    answer += part
                    if len(answer) > _MOST_BYTES:
                        break
        except (httpx.HTTPError, OSError, UnicodeError) as error:
            if 0 <= status < 300:  # an error status says enough without its body
                late = isinstance(error, TimeoutError)
                told = f"timed out after {self.timeout:g} seconds" if late else str(error)
                raise _Later(one_line(self.hide(told or type(error).__name__))) from None
        return status, wait, bytes(answer)

    def _client(self) -> "httpx.AsyncClient":
        import httpx

        try:
            return httpx.AsyncClient(verify=self._tls, trust_env=self._proxied, timeout=None)
        except (ImportError, ValueError, httpx.InvalidURL):  # its message may hold a password
            raise InputError(
                "judge: HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is no address of an HTTP proxy"
            ) from None

    def _text(self, raw: str, size: int) -> str:
        """Return the text in a chat completion.

        Args:
          raw: the body of the server's answer, with the key hidden.
          size: the size of the body in bytes.

        Raises:
          Unusable: the body is too large, is no chat completion, or holds no text.
        """
        if size > _MOST_BYTES:
            raise Unusable(f"has over {_MOST_BYTES >> 20} MiB", "")
        try:
            said = json.loads(raw)["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError, RecursionError):
            raise Unusable("is no chat completion", raw) from None
        if not isinstance(said, str):
            raise Unusable("holds no text", raw)
        # Replace half surrogate pairs, which UTF-8 cannot hold. Hide the key again, because escapes
        # of it may have been escaped twice.
        return self.hide(said.encode(errors="replace").decode())


def _check(url: str, key: str) -> str:
    """Check an address and a key, and return the host of the address.

    Raises:
      InputError: the address is not valid, or holds a password; or the key is malformed.
    """
    import httpx

    try:
        parts = httpx.URL(url)
        port = 80 if parts.port is None else parts.port
        right = parts.scheme in ("http", "https") and parts.host != "" and 0 < port < 1 << 16
    except (httpx.InvalidURL, ValueError):
        right = False
    if not right or re.search(r"[^\x21-\x7e]", url):
        raise InputError("judge: address is invalid, expected one like http://127.0.0.1:8000/v1")
    if parts.userinfo or "?" in url or "#" in url:
        raise InputError(f"judge: no password or query belongs in the address, put a key in {KEY}")
    if re.search(r"""[^\x21-\x7e]|["\\]""", key):
        raise InputError(f"judge: {KEY} has a character that no key has, such as a line break")
    return parts.host


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _spellings(key: str) -> str:
    r"""Return a regex that matches the key in any JSON spelling, such as `\u0073\u006B` for `sk`.

    Any number of backslashes may stand before a character, because nested JSON doubles them. The
    regex reads each run of backslashes once, so a search takes linear time.
    """
    return r"(?<!\\)" + "".join(rf"\\*+(?:{re.escape(c)}|(?i:u{ord(c):04x}))" for c in key)


def _seconds(wait: str | None) -> float:
    """Return the seconds of a Retry-After header, at most 60; 0 if it is missing or a date."""
    return min(float(wait), _LONGEST_PAUSE) if wait and wait.isdecimal() else 0.0
