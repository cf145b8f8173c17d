"""Reasoning traces: written as text, read back from it, and imported from other formats."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
