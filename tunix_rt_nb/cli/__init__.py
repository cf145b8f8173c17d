"""The door: the command line `tunix-rt-nb`, one file a noun. It only calls what notebooks call."""

from tunix_rt_nb.cli.main import main
