"""A reasoning trace and its text: how it is written, read back, and read from what others wrote."""
