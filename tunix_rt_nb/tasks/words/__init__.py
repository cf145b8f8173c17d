"""Tasks of words: counting, sorting, families, logic and dates."""
