from . import model_card as model_card, side_by_side as side_by_side, theme as theme
from .answers import telling as telling
from .asking import ask as ask
from .columns import text_table as text_table
from .improved import cards as cards, verdicts as verdicts
from .index import write_index as write_index
from .notebook import (
    files_table as files_table,
    mask_html as mask_html,
    predictions_html as predictions_html,
    table as table,
    trace_html as trace_html,
    traces_html as traces_html,
    watched_html as watched_html,
)
from .page import write_page as write_page
from .plots import (
    before_after_plot as before_after_plot,
    funnel_plot as funnel_plot,
    length_plot as length_plot,
    loss_plot as loss_plot,
    rows_plot as rows_plot,
    store_plot as store_plot,
)
from .progress import (
    answering_progress as answering_progress,
    training_progress as training_progress,
)
from .rounds import (
    pass_rates as pass_rates,
    rounds_plot as rounds_plot,
    rounds_table as rounds_table,
)
from .sweep_plot import write_sweep_plot as write_sweep_plot
from .tables import (
    before_after as before_after,
    before_after_text as before_after_text,
    summary as summary,
)
