"""Log capture: the changes of PostgreSQL tables in the order of their commits, from the server's own log, by our own pgoutput decoder.

with begin_capture(source, [Table("item")], name=capture_name(store_id, flow, binding)) as begun:
    ...                                  # read the tables through begun.snapshot; store begun.capture with them
with open_stream(source, capture, after=capture.start) as stream:
    for batch in stream.batches():
        ...                              # store the effect of batch.parts together with batch.end, commit
        stream.acknowledge(batch.end)
"""

from accord.connectors.pglog.capture import Begun, begin_capture
from accord.connectors.pglog.changes import (
    UNCHANGED,
    Change,
    LogBatch,
    LogMessage,
    Relation,
    RelationColumn,
    SchemaChanged,
    TableChanges,
    Truncated,
    Unchanged,
)
from accord.connectors.pglog.connection import LogSource
from accord.connectors.pglog.decoder import Decoder
from accord.connectors.pglog.errors import SlotLost
from accord.connectors.pglog.position import START, Position
from accord.connectors.pglog.publication import Table
from accord.connectors.pglog.slot import (
    LogCapture,
    SlotStatus,
    capture_name,
    check_capture,
    drop_capture,
    slots,
    temporary_name,
)
from accord.connectors.pglog.snapshot import read_table
from accord.connectors.pglog.stream import AGAIN_BYTES, LogStream, open_stream

__all__ = [
    "AGAIN_BYTES",
    "START",
    "UNCHANGED",
    "Begun",
    "Change",
    "Decoder",
    "LogBatch",
    "LogCapture",
    "LogMessage",
    "LogSource",
    "LogStream",
    "Position",
    "Relation",
    "RelationColumn",
    "SchemaChanged",
    "SlotLost",
    "SlotStatus",
    "Table",
    "TableChanges",
    "Truncated",
    "Unchanged",
    "begin_capture",
    "capture_name",
    "check_capture",
    "drop_capture",
    "open_stream",
    "read_table",
    "slots",
    "temporary_name",
]
