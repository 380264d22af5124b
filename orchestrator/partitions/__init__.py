"""Partitions of ``events`` by ``created_at``, on PostgreSQL (docs/partitions.md).

``run`` is the command: it also converts the plain table. ``upkeep`` is the daily task.
"""

from orchestrator.partitions.short_locks import TableIsLocked
from orchestrator.partitions.upkeep import PartitionReport, detached, run, upkeep

__all__ = ["PartitionReport", "TableIsLocked", "detached", "run", "upkeep"]
