"""Does a step or a generation fit on a TPU? The compiler for TPUs tells, without a TPU."""

from tunix_rt_nb.train.preflight.ask import Fit, check, environment, generate, largest, page, train
from tunix_rt_nb.train.preflight.plan import Generation, Plan, Training, of_rows, of_run
