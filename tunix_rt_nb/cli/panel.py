"""tunix-rt-nb panel: the panel in a browser."""

import click

from tunix_rt_nb import panel
from tunix_rt_nb.cli import terminal
from tunix_rt_nb.cli.options import default_option


@click.command("panel")
@default_option(
    "--port", type=click.IntRange(0, 65_535), default=0, help="Port to listen on; 0: any free one."
)
@default_option(
    "--ip", default="127.0.0.1", help="Address to listen on; another lets other machines in."
)
@default_option(
    "--theme",
    type=click.Choice(["auto", "light", "dark"]),
    default="auto",
    help="Colours; auto: those that the browser prefers.",
)
@click.option("--browser", is_flag=True, help="Open the page in a browser.")
def panel_command(port: int, ip: str, theme: str, browser: bool) -> None:
    """Serve the panel, a page for the whole road, on this machine until Ctrl-C.

    On the page one reads traces, exports datasets, writes jobs, starts and stops runs, and compares
    them. The printed address has a token, which keeps others out. A run goes on when the page or
    this command ends.

    \b
    Examples:
      tunix-rt-nb panel
      tunix-rt-nb panel --port 8866 --theme dark --browser
    """
    panel.serve(
        lambda address: terminal.echo(f"The panel is at {address}"), ip, port, theme, browser
    )
    terminal.echo("The panel has ended.", err=True)
