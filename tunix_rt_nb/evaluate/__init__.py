"""5 evaluate: what a model answers to held-out prompts, graded step by step, and compared."""

from tunix_rt_nb.evaluate.items import choose, digest
