"""For the eye: tables, plots, traces and answers in a notebook, on a page, on a terminal."""

from tunix_rt_nb.report.tables import before_after, before_after_text, summary
