from . import (
    attention as attention,
    catalog as catalog,
    chips as chips,
    hosts as hosts,
    lora as lora,
    redrawing as redrawing,
    sampling as sampling,
    sources as sources,
)
from .devices import (
    check_processes as check_processes,
    devices_of as devices_of,
    mesh as mesh,
    mesh_of as mesh_of,
    parameter_count as parameter_count,
)
from .folder import (
    Model as Model,
    base as base,
    content_hash as content_hash,
    create as create,
    load as load,
    save as save,
    to_hugging_face as to_hugging_face,
)
from .gguf_export import write_gguf as write_gguf
from .hardware import describe_devices as describe_devices
from .hub_upload import upload as upload
from .orbax_export import write_orbax as write_orbax
from .streaming import stream as stream
from .tokenizer import (
    PAD as PAD,
    Tokenizer as Tokenizer,
    train_tokenizer as train_tokenizer,
)
