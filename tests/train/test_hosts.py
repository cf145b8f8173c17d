"""The same training in one process and in two that share the work, as two hosts would.

Each process of a group runs this file as a script; what it found is its last line.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.gemma import shallow
from tests.train.test_sft import CONFIG, EXAMPLES, TOKENIZER, rows
from tunix_rt_nb import models, train
from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.host import launch
from tunix_rt_nb.models import hosts, lora
from tunix_rt_nb.train import checkpoints
from tunix_rt_nb.train.sft import Stopped

pytestmark = pytest.mark.slow

MANY, HELD_OUT = rows(EXAMPLES * 2), rows(EXAMPLES[:9])
LONG = CONFIG.model_copy(
    update={"steps": 20, "batch_size": 8, "checkpoint_every": 5, "eval_every": 10}
)


def trained(base: Path, out: Path, tp: int = 1, rank: int = 0, **how: Any) -> dict[str, Any]:
    """Train on all devices; return the losses and a hash of the weights."""
    model, tokenizer = models.load(base, tp)
    if rank:
        model = lora.apply(model, rank, 16.0)
    report = how.pop("report", lambda line: None)
    metrics = train.fine_tune(model, MANY, HELD_OUT, LONG.model_copy(update=how), out, report)
    saved = models.save(model, tokenizer, out / "model")
    return {
        "losses": [line.get("loss", line.get("eval_loss")) for line in metrics],
        "sha256": files.sha256(saved / "model.safetensors"),
    }
