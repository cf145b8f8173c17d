from .checks import Checks as Checks, check as check, problems as problems
from .drawing import catalogue as catalogue, draw as draw, mixture as mixture
from .registry import TASKS as TASKS, get as get
from .task import DIFFICULTIES as DIFFICULTIES, GRAINS as GRAINS, Task as Task
