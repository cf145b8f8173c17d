"""2 build: datasets. A dataset is a folder of selected, cleaned and split traces, easy to cite."""

from tunix_rt_nb.dataset import evalset, versions
from tunix_rt_nb.dataset.build import build, merge
from tunix_rt_nb.dataset.export import export
from tunix_rt_nb.dataset.folder import (
    SIDES,
    built_in,
    by_task,
    copy,
    funnel,
    load,
    read_manifest,
    rejects,
)
from tunix_rt_nb.dataset.manifest import Manifest
from tunix_rt_nb.dataset.spec import DatasetSpec
from tunix_rt_nb.dataset.versions import diff, find, listing
