"""The module behind `python -m tunix_rt_nb.cli`, which does the same as `tunix-rt-nb`."""

from tunix_rt_nb.cli import main

main()
