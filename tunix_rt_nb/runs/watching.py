"""What a notebook is doing while it is executed: its progress, or the section that it is in."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from tunix_rt_nb.common import live, one_line, printable

_OFTEN = 1.0  # seconds between two signs of life
_SELDOM = 9.0  # seconds between two of them in the log; a tick later, it is ten at most
_MOST = 120  # characters of a state


class Watch:
    """The state of a notebook that is executed, told every second.

    A display whose id begins with `live.DISPLAY` tells progress, such as `1,240/2,400  loss 0.021`:
    its plain text is the state. Else the state is the heading that the running cell stands under,
    and how long that has taken. So every notebook has signs of life, without doing anything for it.

    Args:
      tell: called with the state every second, in another thread.
      log: called with it every ten seconds.
    """

    def __init__(self, tell: Callable[[str], None], log: Callable[[str], None]) -> None:
        self._tell, self._log = tell, live.every(_SELDOM, log)
        self._section, self._since, self._progress = "starting", time.monotonic(), ""
        self.running = live.ticking(self._tick, _OFTEN)

    def at_cell(self, cell: Any, **more: Any) -> None:
        """Note that a cell starts, or that a cell of text is passed."""
        self._progress = ""
        if cell.cell_type == "markdown":
            headings = [line for line in cell.source.splitlines() if line.startswith("## ")]
            if headings:
                heading = one_line(headings[-1].lstrip("# "), 60)
                self._section = heading[:1].lower() + heading[1:]
                self._since = time.monotonic()

    def see(self, message: Mapping[str, Any]) -> None:
        """Note the progress that a message of the kernel tells, if it tells any."""
        content = message["content"]
        id = (content.get("transient") or {}).get("display_id") or ""
        if str(id).startswith(live.DISPLAY):
            told = str(content["data"].get("text/plain", ""))
            self._progress = printable(told[:_MOST]).replace("\n", " ")

    def state(self) -> str:
        """Return what the notebook is doing."""
        if self._progress:
            return self._progress
        return f"{self._section}: {live.duration(time.monotonic() - self._since)}"

    def _tick(self) -> None:
        state = self.state()
        self._tell(state)
        self._log(state)


def engine(watch: Watch) -> Any:
    """Return a papermill engine, a class, that shows the messages of the kernel to `watch`."""
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import NBClientEngine
    from papermill.log import logger

    class Client(PapermillNotebookClient):
        def process_message(self, message: dict[str, Any], *of_cell: Any) -> Any:
            watch.see(message)
            return super().process_message(message, *of_cell)

    class Engine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, managed: Any, kernel_name: str, **how: Any) -> None:
            names = ("stdout_file", "kernel_manager_class", "on_cell_start")
            chosen = {name: how[name] for name in names}
            Client(
                managed,
                kernel_name=kernel_name,
                startup_timeout=how["start_timeout"],
                log=logger,
                **chosen,
            ).execute()

    return Engine
