"""Runs, where work happens: a folder for each, the chain through its steps, all side by side."""

from tunix_rt_nb.runs import baseline, chain, parameters, promoted, registry
from tunix_rt_nb.runs.chain import StepFailed, StepReport, StepUnfinished, begin
from tunix_rt_nb.runs.folder import (
    GROUND,
    READS,
    ROOMS,
    STEPS,
    Result,
    Step,
    before,
    checkpoints,
    content_hash,
    is_interrupted,
    is_taken,
    lineage,
    newest,
    notebook_of,
    outputs,
    result,
    stem,
    take,
)
