"""Runs: a folder for each, the chain of notebooks that fills it, and all runs side by side."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
