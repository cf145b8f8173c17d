from .encoding import encode as encode, encode_prompts as encode_prompts
from .examples import Example as Example, Examples as Examples
from .packing import Least as Least, Rows as Rows, pack as pack, pack_full as pack_full
from .render import (
    Rendered as Rendered,
    lengths_by_task as lengths_by_task,
    load as load,
    load_tokenizer as load_tokenizer,
    read_manifest as read_manifest,
    rejects as rejects,
    render_dataset as render_dataset,
    tokenizer_for as tokenizer_for,
)
