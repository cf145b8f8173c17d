"""Datasets, which step 2 (build) makes: folders of selected, cleaned and split traces."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
