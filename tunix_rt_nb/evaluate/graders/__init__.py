"""Graders for answers to items of no known task: the rungs of a ladder, tried in turn."""
