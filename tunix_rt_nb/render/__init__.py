"""Step 3, render: turn traces into token ids and a loss mask, check each, pack them into rows."""

from tunix_rt_nb.render.encode import encode, encode_prompts
from tunix_rt_nb.render.examples import Example, Examples
from tunix_rt_nb.render.packing import Rows, pack, pack_full
from tunix_rt_nb.render.render import (
    Rendered,
    lengths_by_task,
    load,
    load_tokenizer,
    read_manifest,
    rejects,
    render_dataset,
    tokenizer_for,
)
