"""The machine that a notebook runs on: a checkout at home, Kaggle or Colab.

The first cell of a notebook imports this package, so it imports nothing that has to be installed.
"""

__all__ = [
    "bootstrap",
    "handles",
    "launch",
    "needs",
    "origin",
    "paths",
    "place",
    "plugins",
    "version",
]
