from .index import ROW as ROW
from .shards import Stored as Stored
from .store import (
    COLUMNS as COLUMNS,
    Added as Added,
    TraceStore as TraceStore,
    define as define,
    now as now,
)
from .verify import Verification as Verification
