"""Step 4, train: fine-tune a model with Tunix, on rows that each hold several examples.

Memory and time are estimated beforehand. JAX and Tunix are imported on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
