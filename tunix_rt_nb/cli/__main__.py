"""`python -m tunix_rt_nb.cli` is `tunix-rt-nb`."""

from tunix_rt_nb.cli import main

main()
