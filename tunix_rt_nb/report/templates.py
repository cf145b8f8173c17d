"""The templates of the pages, which escape whatever is put into them."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tunix_rt_nb.common import printable
from tunix_rt_nb.report import theme

if TYPE_CHECKING:
    from jinja2 import Template


@cache
def template(name: str) -> "Template":
    """Load a template of this folder. It shows no unprintable character, and has the theme's CSS.

    Args:
      name: the name of its file.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.globals["css"] = Markup(theme.CSS)
    environment.filters["percent"] = lambda share: "" if share is None else f"{100 * share:.1f} %"
    environment.filters["number"] = lambda n: "" if n is None else f"{n:,}"
    return environment.get_template(name)
