"""One version of a kernel on Kaggle: its state, its log and its output."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import requests

from tunix_rt_nb.common import InputError, one_line
from tunix_rt_nb.kaggle import account

PAGE = 100  # files on a page of output


class Version(NamedTuple):
    """A version of a kernel, by its number.

    Requests name the version by a label, such as `v2`. If Kaggle does not accept the label, the
    request is sent again without a label, and Kaggle answers for the kernel's last version. If
    this version is not the last one, `events` still accepts the answer, and yields the log of the
    last version. The other methods raise an `InputError`.

    Attributes:
      api: the API of the `kaggle` package.
      handle: the handle of the kernel, OWNER/SLUG.
      number: the number of the version.

    Source: https://github.com/Kaggle/kaggle-cli/issues/1200.
    """

    api: Any
    handle: str
    number: int

    def state(self, tries: int = 0) -> tuple[str, str]:
        """Request the state of the version.

        Args:
          tries: the most requests if Kaggle does not answer; 0 means `account.TRIES`.

        Returns:
          state: QUEUED, RUNNING, COMPLETE, ERROR, or one that begins with CANCEL.
          reason: why the version failed; empty if it has not, or if Kaggle does not say.
        """
        answer = self._asked("GetKernelSessionStatus", tries)
        return answer.status.name, one_line(answer.failure_message or "")

    def source(self) -> str:
        """Return the notebook as it was pushed, as JSON text."""
        return str(self._asked("GetKernel").blob.source or "")

    def output(self, token: str = "") -> Any:
        """Request a page of the list of output files.

        Args:
          token: `next_page_token` of the page before; empty for the first page.

        Returns:
          Kaggle's answer, with `files`, `log` and `next_page_token`.
        """
        return self._asked("ListKernelSessionOutput", page_size=PAGE, page_token=token)

    def pages(self) -> Iterator[tuple[str, Any]]:
        """Yield all pages of the list of output files, as (token, page) pairs.

        `output(token)` requests the same page again.
        """
        token = ""
        while True:
            page = self.output(token)
            yield token, page
            if not page.next_page_token or page.next_page_token == token:
                return
            token = page.next_page_token

    def events(self) -> Iterator[Any]:
        """Yield the lines of the log from the first on; while the kernel runs, wait for new lines.

        Kaggle sends each line as a dict with `stream_name`, `time` (seconds) and `data` (the text).
        """
        try:
            yield from self._events({"versionLabel": f"v{self.number}"})
        except requests.HTTPError as error:
            if account.status(error) != 404:
                raise
            # Kaggle does not accept the label, so ask for the log of the last version.
            yield from self._events({})

    def _events(self, asked_for: dict[str, str]) -> Iterator[Any]:
        build = self.api.build_kaggle_client

        def labelled() -> Any:
            client = build()
            client.http_client()._init_session()
            client.http_client()._session.params = asked_for
            return client

        self.api.build_kaggle_client = labelled
        try:
            with account.bounded():
                yield from self.api.kernels_logs_stream(self.handle)
        finally:
            self.api.build_kaggle_client = build

    def _asked(self, call: str, tries: int = 0, **fields: Any) -> Any:
        named = {**fields, "version_label": f"v{self.number}"}
        api, handle = self.api, self.handle
        answer = account.found(handle, lambda: _answer(api, handle, call, named), tries)
        if answer is not None:
            return answer
        now = current(api, handle)
        if now != self.number:
            raise InputError(f"{handle}: Kaggle shows version {now}, expected {self.number}")
        return account.asked(handle, lambda: _answer(api, handle, call, fields), tries=tries)


def _answer(api: Any, handle: str, call: str, fields: Mapping[str, Any]) -> Any:
    from kagglesdk.kernels.types import kernels_api_service as types

    request = getattr(types, f"Api{call}Request")()
    request.user_name, request.kernel_slug = handle.split("/")
    for name, value in fields.items():
        setattr(request, name, value)
    response = getattr(types, f"Api{call}Response")
    with api.build_kaggle_client() as client:
        return client.http_client().call("kernels.KernelsApiService", call, request, response)


def current(api: Any, handle: str) -> int:
    """Return the number of the last version of a kernel; 0 if there is no such kernel."""
    kernel = account.found(handle, lambda: _answer(api, handle, "GetKernel", {}))
    return int(kernel.metadata.current_version_number or 1) if kernel else 0


def of(api: Any, handle: str, number: int) -> Version:
    """Return the version of a kernel with this number; the last version if the number is 0.

    Raises:
      InputError: there is no such kernel.
    """
    now = current(api, handle)
    if not now:
        raise account.unknown(handle)
    return Version(api, handle, number or now)


def is_under_way(state: str) -> bool:
    """Tell whether a version in this state is still queued or running."""
    return state in ("QUEUED", "RUNNING", "NEW_SCRIPT", "CANCEL_REQUESTED")
