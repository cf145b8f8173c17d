"""Learning from checked attempts: a model answers, its steps are checked, it learns from that.

So far this is Tunix's own GRPO, rewarded by the checkers of the tasks.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
