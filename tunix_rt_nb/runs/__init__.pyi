from . import (
    baseline as baseline,
    chain as chain,
    parameters as parameters,
    promoted as promoted,
    registry as registry,
)
from .chain import (
    StepFailed as StepFailed,
    StepReport as StepReport,
    StepUnfinished as StepUnfinished,
    begin as begin,
)
from .folder import (
    GROUND as GROUND,
    READS as READS,
    ROOMS as ROOMS,
    STEPS as STEPS,
    Result as Result,
    Step as Step,
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
    take as take,
)
