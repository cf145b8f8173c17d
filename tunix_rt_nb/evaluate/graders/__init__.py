"""Graders for answers to items that no task can verify; they are tried in a fixed order."""
