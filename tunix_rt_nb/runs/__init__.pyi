from . import (
    baseline as baseline,
    chain as chain,
    origin as origin,
    parameters as parameters,
    promoted as promoted,
    registry as registry,
    sweep as sweep,
)
from .chain import StepReport as StepReport, begin as begin
from .ending import cancel as cancel
from .errors import (
    StepFailed as StepFailed,
    StepStopped as StepStopped,
    StepUnfinished as StepUnfinished,
)
from .folder import (
    GROUND as GROUND,
    LAST as LAST,
    READS as READS,
    ROOMS as ROOMS,
    STEPS as STEPS,
    Result as Result,
    before as before,
    checkpoints as checkpoints,
    content_hash as content_hash,
    is_interrupted as is_interrupted,
    is_taken as is_taken,
    lineage as lineage,
    newest as newest,
    notebook_of as notebook_of,
    outputs as outputs,
    result as result,
    stem as stem,
)
from .settings import read_settings as read_settings
from .step import Step as Step, restore as restore, take as take, working as working
