from .figures import figures as figures, rates as rates
from .graders import check_grader as check_grader
from .grpo import grpo_yaml as grpo_yaml
from .keep import keep_right as keep_right
from .prompts import Prompts as Prompts, traces_to_ask as traces_to_ask
from .rounds import Rounds as Rounds
from .settings import Settings as Settings, check_ready as check_ready
