"""Step 3, render: turn traces into token ids and a loss mask, check each, pack them into rows."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
