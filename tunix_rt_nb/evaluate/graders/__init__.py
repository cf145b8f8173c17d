"""Graders for answers of no known task: a ladder of rungs, from the strict to the mathematical."""
