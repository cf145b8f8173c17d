"""Preflight: the TPU compiler tells, without a TPU, whether a train step or generation fits."""

from tunix_rt_nb.train.preflight.ask import Fit, check, environment, generate, largest, page, train
from tunix_rt_nb.train.preflight.plan import Generation, Plan, Training, of_rows, of_run
