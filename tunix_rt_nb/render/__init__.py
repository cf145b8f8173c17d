"""Step 3, render: turn reasoning traces into token ids with a loss mask; pack them into rows."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
