"""Colours for everything that people look at: one palette for light and dark viewers.

`CSS` is the text of a `<style>` element. It defines custom properties such as `--trnb-good`:

- `--trnb-page`, `--trnb-text`: background and text of a page of ours; notebooks inherit theirs.
- `--trnb-good`, `--trnb-bad`, `--trnb-muted`: text that is right, wrong or secondary.
- `--trnb-line`: borders and rules.
- `--trnb-trained`, `--trnb-read`: translucent backgrounds, of trained tokens and of tokens that are
  only read. `--trnb-wrong` is the one of a wrong step.
- `--trnb-series-1` to `--trnb-series-6`: `SERIES`, the colours of curves and bars.

Pages follow the browser (`prefers-color-scheme`). JupyterLab, nbconvert, Voila and VS Code say on
the body which theme they show, and that counts more. Some viewers, such as GitHub, drop `<style>`:
there the translucent `TRAINED`, `READ` and `WRONG` still work in a `style` attribute, because they
tint any background.

A PNG cannot follow a theme, so pictures are transparent, in colours that have a contrast of at
least 3 on white and on the dark backgrounds of all these viewers. No colour has 4.5 on both.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.display import Image

TRAINED, READ, WRONG = "rgba(46,160,67,.3)", "rgba(127,127,127,.12)", "rgba(218,54,51,.18)"
INK = "#7c8089"  # text and lines of pictures: the grey with equal contrast on white and on #212121
# Blue, orange, teal, purple, magenta, ochre: also told apart with red-green colour blindness.
SERIES = ("#0c7ff2", "#d9720b", "#4b9da6", "#9f50b3", "#d90b72", "#807139")
DPI = 110  # pixels of a page for an inch of a figure

LIGHT = {
    "page": "#ffffff",
    "text": "#1c2230",
    "good": "#116329",
    "bad": "#b3261e",
    "muted": "#59636e",
    "line": "#d5dae3",
}
DARK = {
    "page": "#111418",
    "text": "#e4e7ec",
    "good": "#56d364",
    "bad": "#ff9a91",
    "muted": "#a3acb8",
    "line": "#3d444d",
}
_BOTH = {
    "trained": TRAINED,
    "read": READ,
    "wrong": WRONG,
    **{f"series-{n}": colour for n, colour in enumerate(SERIES, 1)},
}


def _block(selector: str, colours: dict[str, str]) -> str:
    told = " ".join(f"--trnb-{name}: {colour};" for name, colour in colours.items())
    return f"{selector} {{ {told} }}"


CSS = "\n".join(
    [
        _block(":root", LIGHT | _BOTH),
        f"@media (prefers-color-scheme: dark) {{ {_block(':root', DARK)} }}",
        _block('body[data-jp-theme-light="true"], body.vscode-light', LIGHT),
        _block(
            'body[data-jp-theme-light="false"], body.vscode-dark, body.vscode-high-contrast', DARK
        ),
    ]
)


@contextmanager
def drawing() -> Iterator[None]:
    """Make matplotlib draw transparent figures in these colours; a context and a decorator.

    Example:
      >>> from matplotlib.figure import Figure
      >>> with drawing():
      ...     Figure().get_facecolor()
      (0.0, 0.0, 0.0, 0.0)
    """
    import matplotlib
    from cycler import cycler

    names = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    how = {
        **dict.fromkeys(names, INK),
        **dict.fromkeys(("figure.facecolor", "axes.facecolor"), "none"),
        **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
        "axes.prop_cycle": cycler(color=SERIES),
        "font.size": 11,
    }
    with matplotlib.rc_context(how):
        yield


def adaptive(svg: bytes) -> bytes:
    """Return an SVG drawn in `drawing` with texts and lines that follow the browser's theme."""
    light, dark = LIGHT["muted"], DARK["muted"]
    style = f":root{{color:{light}}}@media(prefers-color-scheme:dark){{:root{{color:{dark}}}}}"
    head, defs, rest = svg.replace(INK.encode(), b"currentColor").partition(b"<defs>")
    return head + f"<style>{style}</style>".encode() + defs + rest


def png(figure: Any, dpi: int = DPI) -> bytes:
    """Return a figure that was drawn in `drawing` as a transparent PNG."""
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi, transparent=True)
    return drawn.getvalue()


def image(figure: Any, alt: str) -> "Image":
    """Return a figure for a notebook: a transparent PNG that is sharp on fine displays too.

    Args:
      figure: a figure that was drawn in `drawing`.
      alt: what the picture shows, for those who do not see it.
    """
    from IPython.display import Image

    return Image(png(figure, 2 * DPI), width=round(DPI * figure.get_figwidth()), alt=alt)
