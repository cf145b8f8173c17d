from . import (
    checkpoints as checkpoints,
    job as job,
    preflight as preflight,
    smoke as smoke,
)
from .config import SftConfig as SftConfig
from .estimate import estimate_step as estimate_step
from .loss import held_out_loss as held_out_loss
from .metrics import summary as summary
from .sft import batches_of as batches_of, fine_tune as fine_tune
