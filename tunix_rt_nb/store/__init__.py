"""The trace store: append-only shards of JSON lines. DuckDB reads the shards directly."""

from tunix_rt_nb.store.index import ROW
from tunix_rt_nb.store.shards import Stored
from tunix_rt_nb.store.store import COLUMNS, Added, TraceStore, now, records
from tunix_rt_nb.store.verify import Verification
