"""1 generate: tasks that draw a prompt, solve it in steps, and check every step.

`task` has their base class and `registry` lists them; `cards`, `numbers` and `words` define them.
"""

from tunix_rt_nb.tasks.checks import Checks, check, problems
from tunix_rt_nb.tasks.draw import catalogue, draw, mixture
from tunix_rt_nb.tasks.registry import TASKS, get
from tunix_rt_nb.tasks.task import DIFFICULTIES, GRAINS, Task
