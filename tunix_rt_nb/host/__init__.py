"""The machine that a notebook finds itself on: a checkout at home, Kaggle or Colab.

The first cell of a notebook imports it, so nothing here needs what has to be installed.
"""

__all__ = ["bootstrap", "handles", "needs", "paths", "place"]
