"""The log on disk: what a broker writes for a partition, read without asking the broker."""

from kafka_lab.logfiles.batches import HEADER_BYTES, Batch, Record, read_batches, records_of
from kafka_lab.logfiles.indexes import IndexEntry, TimeIndexEntry, read_checkpoint, read_index, read_timeindex
from kafka_lab.logfiles.internal import internal_row
from kafka_lab.logfiles.partition_log import Found, PartitionLog
from kafka_lab.logfiles.segment import Segment

__all__ = [
    "HEADER_BYTES",
    "Batch",
    "Found",
    "IndexEntry",
    "PartitionLog",
    "Record",
    "Segment",
    "TimeIndexEntry",
    "internal_row",
    "read_batches",
    "read_checkpoint",
    "read_index",
    "read_timeindex",
    "records_of",
]
