"""The records that others write, and those of our exports: one file a format."""
