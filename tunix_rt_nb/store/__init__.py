"""The trace store: append-only shards of JSON lines. DuckDB reads the shards directly."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
