"""Runs: each has a folder, filled by the chain of notebooks; a list compares all runs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
