"""2 build: datasets. A dataset is a folder of selected, cleaned and split traces, easy to cite."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
