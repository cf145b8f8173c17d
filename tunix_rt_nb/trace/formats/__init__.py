"""The formats in which records are imported and exported, one file per format."""

from tunix_rt_nb.trace.formats.columns import misfit
from tunix_rt_nb.trace.formats.mapping import check_parts, parts_of
from tunix_rt_nb.trace.formats.record import GEMMA_NUMBERED, Exported
from tunix_rt_nb.trace.formats.registry import (
    AUTO,
    EXPORTS,
    FORMATS,
    KNOWN,
    SHAPES,
    NoFormat,
    export_in,
    export_of,
    form_in,
    form_of,
    named,
    prompt_of,
    reader,
    reads_back,
    recognise,
)
from tunix_rt_nb.trace.formats.tagged import REQUEST
