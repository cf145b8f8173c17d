"""The models that train: found by name, loaded onto devices, adapted, sampled from, saved.

Whatever a model comes from, it is a folder in Hugging Face format. JAX is loaded when first used.
"""

import lazy_loader

from tunix_rt_nb.models.chips import spare_libtpu

spare_libtpu()
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
