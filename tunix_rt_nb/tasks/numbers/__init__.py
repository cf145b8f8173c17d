"""Number tasks: arithmetic in columns, factors, algebra, geometry and countdown."""
