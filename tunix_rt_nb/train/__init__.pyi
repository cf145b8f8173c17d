from . import (
    checkpoints as checkpoints,
    preflight as preflight,
    smoke as smoke,
)
from .batches import Batch as Batch, Batches as Batches, Feed as Feed
from .checkpoints import trained_count as trained_count
from .config import SftConfig as SftConfig, steps_of_epochs as steps_of_epochs
from .draft import draft_job as draft_job
from .estimate import estimate_step as estimate_step
from .job import (
    Job as Job,
    begin_job as begin_job,
    check_device as check_device,
    check_job as check_job,
    fitting as fitting,
    job_name as job_name,
    load_job as load_job,
    write_job as write_job,
)
from .loss import (
    held_out_loss as held_out_loss,
    token_log_probabilities as token_log_probabilities,
)
from .metrics import MetricsLine as MetricsLine, summary as summary
from .sft import batches_of as batches_of, fine_tune as fine_tune, learn as learn
from .sharing import begin as begin
from .smoke import Check as Check
