"""1 generate: tasks that draw a prompt, solve it in steps, and check every step.

`task` has their base class and `registry` lists them; `cards`, `numbers` and `words` define them,
and `plugins` loads those of a user. `certificate` runs the tests that every task must pass.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
