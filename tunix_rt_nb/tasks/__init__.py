"""1 generate: tasks, which draw a prompt, solve it in steps, and check every step.

`task` says what a task is, `registry` which ones there are; cards, numbers and words hold them.
"""

from tunix_rt_nb.tasks.checks import Checks, check, problems
from tunix_rt_nb.tasks.draw import catalogue, draw, mixture
from tunix_rt_nb.tasks.registry import TASKS, get
from tunix_rt_nb.tasks.task import DIFFICULTIES, GRAINS, Task
