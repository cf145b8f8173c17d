"""4 train: supervised fine-tuning with Tunix on packed rows, and what it takes, known beforehand.

JAX and Tunix are loaded when first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
