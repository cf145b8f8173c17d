"""Step 2, build: datasets, folders of selected, cleaned and split traces that can be cited."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
