from .index import ROW as ROW
from .scores import Score as Score, TaskScore as TaskScore
from .shards import Stored as Stored
from .store import (
    COLUMNS as COLUMNS,
    Added as Added,
    Share as Share,
    TraceStore as TraceStore,
    define as define,
    now as now,
)
from .verify import Verification as Verification
