"""The command line `tunix-rt-nb`, one file per noun. Commands only call what notebooks call."""

from tunix_rt_nb.cli.main import main
