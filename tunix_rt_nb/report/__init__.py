"""Output for people: tables, plots, traces and answers in a notebook, a page or a terminal."""

from tunix_rt_nb.report import model_card
from tunix_rt_nb.report.columns import text_table
from tunix_rt_nb.report.notebook import (
    files_table,
    mask_html,
    predictions_html,
    table,
    trace_html,
)
from tunix_rt_nb.report.page import write_page
from tunix_rt_nb.report.plots import (
    before_after_plot,
    funnel_plot,
    length_plot,
    loss_plot,
    rows_plot,
    store_plot,
)
from tunix_rt_nb.report.progress import answering, progress
from tunix_rt_nb.report.side_by_side import Row, align, answers_side_by_side, side_by_side
from tunix_rt_nb.report.tables import before_after, before_after_text, summary
