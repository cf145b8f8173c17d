"""The address that a notebook fetches this package from: empty until someone publishes it.

Whoever publishes sets both values here, and then runs `python -m tests.renew address`. This writes
them into the first cell of each notebook, and adds links to Kaggle and Colab.
"""

REPOSITORY = ""  # the URL of a git repository of yours, such as https://github.com/me/tunix_rt_nb
COMMIT = ""  # the commit to fetch, in 40 hex digits; the first cell takes no other
