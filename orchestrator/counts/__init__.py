"""Exact row counts at any size, kept by database triggers for every kind of write.

See ``docs/exact-counts.md`` and the SQL of the migrations ``0005_exact_counts`` and ``0009_counts_by_queue``.
Only ``verify`` counts a table.
"""

from orchestrator.counts.compact import fold
from orchestrator.counts.read import (
    TABLES,
    jobs_by_queue,
    jobs_by_status,
    pending_by_queue,
    rows_by_table,
    rows_of,
)
from orchestrator.counts.verify import VerifiedCount, verify

__all__ = [
    "TABLES",
    "VerifiedCount",
    "fold",
    "jobs_by_queue",
    "jobs_by_status",
    "pending_by_queue",
    "rows_by_table",
    "rows_of",
    "verify",
]
