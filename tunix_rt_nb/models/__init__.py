"""Models: find one by name, load it onto devices, add adapters, sample from it, save it.

Every model is a folder in Hugging Face format, whatever its source. JAX is imported on first use.
"""

import lazy_loader

from tunix_rt_nb.models.chips import spare_libtpu

spare_libtpu()
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
