"""A reasoning trace and its text: how it is written, read back, and read from what others wrote."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
