"""The module behind `python -m tunix_rt_nb.cli`, which is the command `tunix-rt-nb`."""

from tunix_rt_nb.cli import main

main()
