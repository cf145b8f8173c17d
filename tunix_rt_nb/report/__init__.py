"""Output for people: tables, plots, traces and answers in a notebook, a page or a terminal."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
