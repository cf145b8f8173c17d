"""Word tasks: counting, sorting, families, logic and dates."""
