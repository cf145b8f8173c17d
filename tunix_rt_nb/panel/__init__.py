"""The panel: the whole road in a notebook or a browser, as widgets over what notebooks call."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
