"""The shapes of records that others write, and those of our exports: one file a format."""

from tunix_rt_nb.trace.formats.record import Exported
from tunix_rt_nb.trace.formats.registry import (
    EXPORTS,
    FORMATS,
    export_in,
    export_of,
    named,
    reader,
    reads_back,
)
from tunix_rt_nb.trace.formats.tunix_sft import GEMMA_NUMBERED
