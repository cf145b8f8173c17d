"""Notebooks as Kaggle kernels: prepared here, run there, and their results brought back."""
