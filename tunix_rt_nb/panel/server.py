"""The panel in a browser: its notebook, served by Voila on this machine.

Whoever opens the page can start processes here. So it listens on 127.0.0.1, and asks for a token,
which is in the printed address.
"""

import logging
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tunix_rt_nb.common import InputError
from tunix_rt_nb.host import paths

NOTEBOOK = paths.NOTEBOOKS / "panel.ipynb"
# The others that are installed for JupyterLab would load for nothing.
_EXTENSIONS = ("@voila-dashboards/widgets-manager8", "@jupyter-widgets/jupyterlab-manager")
_IDLE = 3600  # seconds after which the kernel of a page that was left is ended


def serve(
    report: Callable[[str], None],
    ip: str = "127.0.0.1",
    port: int = 0,
    theme: str = "auto",
    browser: bool = False,
) -> None:
    """Serve the panel until the process is interrupted.

    Args:
      report: called with the address of the page, as soon as it can be opened.
      ip: the address to listen on.
      port: the port; 0 for any that is free.
      theme: `light`, `dark`, or `auto` for what the browser prefers.
      browser: True to open the page in a browser.

    Raises:
      InputError: Voila is not installed, or the port cannot be listened on.
    """
    try:
        from voila.app import Voila  # type: ignore[import-untyped]
    except ImportError:
        told = "needs a library that is not installed: pip install -e '.[notebook]'"
        raise InputError(f"panel: {told}") from None
    from tornado.httpserver import HTTPServer
    from tornado.ioloop import IOLoop
    from voila.shutdown_kernel_handler import (  # type: ignore[import-untyped]
        VoilaShutdownKernelHandler,
    )

    class Left(VoilaShutdownKernelHandler):
        """The end of the kernel of a page that was left. Only that page knows the kernel's id."""

        def check_xsrf_cookie(self) -> None:
            """Ask for no XSRF token, because a browser sends none for a page that it leaves."""

    class Panel(Voila):
        """Voila with one template of ours, on exactly the asked port."""

        def setup_template_dirs(self) -> None:
            """Put the folder of our template before those of Voila's."""
            super().setup_template_dirs()
            self.template_paths.insert(0, templates)

        def init_handlers(self) -> list[Any]:
            """Return Voila's handlers, with ours for pages that were left."""
            ours = {VoilaShutdownKernelHandler: Left}
            return [(url, ours.get(one, one), *how) for url, one, *how in super().init_handlers()]

        def listen(self) -> None:
            """Listen, report the address, and serve until a signal comes."""
            server = HTTPServer(self.app)
            server.add_socket(listening)
            self.port = listening.getsockname()[1]
            report(self.display_url)
            if browser:
                self.launch_browser()
            self.ioloop = IOLoop.current()
            try:
                self.ioloop.start()
            except KeyboardInterrupt:
                pass
            finally:
                server.stop()
                self.stop()

    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    try:
        listening = socket.create_server((ip, port), family=family)
    except OSError as error:
        raise InputError(
            f"panel: {ip}:{port}: {_reason(error)}, give another --port or --ip"
        ) from None
    listening.setblocking(False)
    for name in ("tornado.general", "tornado.access"):
        logging.getLogger(name).setLevel(logging.ERROR)
    os.environ["TUNIX_RT_HOME"] = str(paths.home())  # the kernel works in the notebook's folder
    with TemporaryDirectory() as templates:
        shutil.copyfile(Path(__file__).with_name("page.jinja"), Path(templates, "index.html.j2"))
        app = Panel(config=_config(theme, ip, templates))
        app.initialize([str(NOTEBOOK)])
        app.start()


def _reason(error: OSError) -> str:
    """Return why an address cannot be listened on; Python adds the address, which is told already.

    Example:
      >>> _reason(OSError(98, "Address already in use (while attempting to bind on ...)"))
      'Address already in use'
    """
    return str(error.strerror or error).partition(" (")[0]


def _config(theme: str, ip: str, folder: str) -> Any:
    """Return Voila's configuration: quiet, with a token, and with the settings of the page."""
    from traitlets.config import Config

    follow = theme == "auto"
    return Config(
        {
            "Voila": {
                "ip": ip,
                "auto_token": True,  # that of JUPYTER_TOKEN, or a new one
                "open_browser": False,
                "log_level": "ERROR",
                "connection_dir_root": folder,
            },
            "VoilaConfiguration": {
                "theme": "light" if follow else theme,
                "resources": {"follow": follow},
                "extension_allowlist": list(_EXTENSIONS),
            },
            "KernelManager": {"transport": "ipc"},  # not over ports, which all users can open
            "MappingKernelManager": {"cull_idle_timeout": _IDLE, "cull_interval": 300},
        }
    )
