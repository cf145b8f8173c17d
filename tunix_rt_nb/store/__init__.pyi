from .index import ROW as ROW
from .places import store_of as store_of, stores as stores, traces_of as traces_of
from .scores import Score as Score, TaskScore as TaskScore
from .shards import Stored as Stored
from .store import (
    Added as Added,
    Share as Share,
    TraceStore as TraceStore,
    now as now,
)
from .verify import Verification as Verification
from .views import COLUMNS as COLUMNS, define as define
