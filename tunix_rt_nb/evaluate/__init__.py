"""Step 5, evaluate: answers of a model to held-out prompts, graded step by step and compared."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
