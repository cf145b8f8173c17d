"""The formats in which records are imported and exported, one file per format."""

from tunix_rt_nb.trace.formats.columns import misfit
from tunix_rt_nb.trace.formats.mapping import check_parts, parts_of
from tunix_rt_nb.trace.formats.record import Exported
from tunix_rt_nb.trace.formats.registry import (
    AUTO,
    EXPORTS,
    FORMATS,
    KNOWN,
    SHAPES,
    NoFormat,
    export_in,
    export_of,
    form_of,
    named,
    prompt_of,
    reader,
    reads_back,
    recognise,
)
from tunix_rt_nb.trace.formats.tunix_sft import GEMMA_NUMBERED
