"""The trace store: append-only shards of JSON lines, which DuckDB reads as they are."""

from tunix_rt_nb.store.store import Added, TraceStore, now
