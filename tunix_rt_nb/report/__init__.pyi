from . import model_card as model_card
from .columns import text_table as text_table
from .notebook import (
    files_table as files_table,
    mask_html as mask_html,
    predictions_html as predictions_html,
    table as table,
    trace_html as trace_html,
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
from .progress import answering_lines as answering_lines, training_lines as training_lines
from .side_by_side import (
    Row as Row,
    align as align,
    answers_side_by_side as answers_side_by_side,
    two_columns as two_columns,
)
from .tables import (
    before_after as before_after,
    before_after_text as before_after_text,
    summary as summary,
)
