"""Notebooks as Kaggle kernels: prepared here, run on Kaggle, and their output pulled back."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
