"""Tasks of numbers: arithmetic in columns, factors, algebra, geometry and countdown."""
