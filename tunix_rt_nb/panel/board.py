"""The panel as a whole: a tab for each stop of the road."""

from typing import Any

from tunix_rt_nb.panel import parts, style
from tunix_rt_nb.panel.datasets import Datasets
from tunix_rt_nb.panel.job import JobDraft
from tunix_rt_nb.panel.parts import Widget, widgets
from tunix_rt_nb.panel.results import Results
from tunix_rt_nb.panel.run import Run
from tunix_rt_nb.panel.status import Status
from tunix_rt_nb.panel.traces import Traces


def show() -> Widget:
    """Return the panel as a widget, for the last line of a notebook's cell."""
    run = Run()
    sections: list[Any] = [Status(), Traces(), Datasets(), JobDraft(run.use), run, Results()]
    tabs = widgets.Tab([parts.stack(one.widget, name="trnb-section") for one in sections])
    tabs.titles = [one.title for one in sections]
    tabs.observe(lambda change: sections[change["new"]].refresh(), names="selected_index")
    tabs.selected_index = 0
    sections[0].refresh()
    return parts.stack(parts.html(f"<style>{style.CSS}</style>"), tabs, name="trnb-panel")
