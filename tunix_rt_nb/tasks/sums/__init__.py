"""Sums in running text: found, read in exact arithmetic, and judged without knowing the task."""
