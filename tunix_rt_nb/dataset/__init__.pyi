from . import evalset as evalset, versions as versions
from .builder import build as build, merge as merge
from .exporter import export as export
from .folder import (
    SIDES as SIDES,
    Sieve as Sieve,
    built_at as built_at,
    built_in as built_in,
    by_task as by_task,
    check_form as check_form,
    copy as copy,
    form_of as form_of,
    funnel as funnel,
    read_manifest as read_manifest,
    rejects as rejects,
)
from .held_out import write_evalset as write_evalset
from .manifest import Manifest as Manifest, Tokens as Tokens
from .shards import (
    check_side as check_side,
    lines as lines,
    load as load,
    with_ids as with_ids,
)
from .spec import DatasetSpec as DatasetSpec
from .versions import diff as diff, find as find, listing as listing
