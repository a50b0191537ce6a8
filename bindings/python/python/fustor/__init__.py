"""A live picture of the metadata of a large file system.

`scan` reads a directory tree into a `View`; `View.snapshot` gives an immutable `Snapshot` that answers questions.
`Client` and `AsyncClient` ask a Fustor server the same questions.

>>> import fustor
>>> view = fustor.View()
>>> view.apply(1, [fustor.Event.upsert("/a/b.txt", fustor.Facts(size=3), at=1)])
Applied(applied=1, stale=0, buried=0, queued=0, refused=0)
>>> [entry.path for entry in view.snapshot().walk()]
['/a', '/a/b.txt']
"""

from fustor._async import AsyncClient, AsyncClientView
from fustor._errors import (
    AuthError,
    BadRequest,
    Busy,
    Cancelled,
    ClientError,
    FustorError,
    Gone,
    LimitExceeded,
    NotFound,
    NotReady,
    RequestTimeout,
    ServerError,
    Unreachable,
)
from fustor._fustor import (
    Applied,
    Change,
    Changes,
    Client,
    ClientView,
    Directive,
    Entries,
    Entry,
    Event,
    Facts,
    Follow,
    Pending,
    ScanProgress,
    Settled,
    Snapshot,
    Stats,
    Trust,
    View,
    scan,
)

__all__ = [
    "Applied",
    "AsyncClient",
    "AsyncClientView",
    "AuthError",
    "BadRequest",
    "Busy",
    "Cancelled",
    "Change",
    "Changes",
    "Client",
    "ClientError",
    "ClientView",
    "Directive",
    "Entries",
    "Entry",
    "Event",
    "Facts",
    "Follow",
    "FustorError",
    "Gone",
    "LimitExceeded",
    "NotFound",
    "NotReady",
    "Pending",
    "RequestTimeout",
    "ScanProgress",
    "ServerError",
    "Settled",
    "Snapshot",
    "Stats",
    "Trust",
    "Unreachable",
    "View",
    "scan",
]
