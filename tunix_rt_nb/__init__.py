"""Reasoning traces in, a model that shows its work out."""

__version__ = "0.1.0"
