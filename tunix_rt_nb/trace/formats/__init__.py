"""The formats of records that others write and of those that we export, one file per format."""

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
