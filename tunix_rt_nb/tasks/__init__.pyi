from .certificate import Finding as Finding, certify as certify
from .checks import Checks as Checks, Counts as Counts, check as check, problems as problems
from .drawing import catalogue as catalogue, draw as draw, mixture as mixture
from .environment import export_environment as export_environment
from .gym import INSTALL as INSTALL
from .registry import (
    TASKS as TASKS,
    available as available,
    get as get,
    load_from as load_from,
)
from .shards import Shard as Shard, join_shards as join_shards, write_shard as write_shard
from .sums.equations import Claim as Claim, claims as claims, judge_step as judge_step
from .task import DIFFICULTIES as DIFFICULTIES, GRAINS as GRAINS, Solution as Solution, Task as Task
