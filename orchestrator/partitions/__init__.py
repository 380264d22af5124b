"""Partitions of ``events`` by ``created_at``, on PostgreSQL (docs/partitions.md).

``run`` is the command: it also converts the plain table. ``upkeep`` is the daily task.
"""

from orchestrator.partitions.short_locks import TableIsLocked
from orchestrator.partitions.upkeep import (
    PartitionChanges,
    PartitionReport,
    detached,
    first_boundary,
    run,
    upkeep,
)

__all__ = [
    "PartitionChanges",
    "PartitionReport",
    "TableIsLocked",
    "detached",
    "first_boundary",
    "run",
    "upkeep",
]
