"""Sums in running text: found, computed exactly, and judged without knowing the task.

A sum is an equation or inequality, such as `48/2 = 24` or `2 < 3`.
"""
