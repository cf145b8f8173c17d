"""Runs, where work happens: a folder for each, the chain through its steps, all side by side."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
