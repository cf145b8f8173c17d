"""Preflight: ask the TPU compiler, without a TPU, if a train step or generation fits in memory."""

from tunix_rt_nb.train.preflight.ask import Fit, check, environment, generate, largest, page, train
from tunix_rt_nb.train.preflight.plan import Generation, Plan, Training, of_rows, of_run
from tunix_rt_nb.train.preflight.rounds import of_rounds, page_of_rounds
