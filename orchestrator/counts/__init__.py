"""Exact numbers of rows at any size: kept by the database's triggers, whoever writes and however they do it.

How they are kept is in ``docs/adr/0011-exact-counts.md`` and the SQL of migration ``0005_exact_counts``.
Nothing here counts a table but ``verify``.
"""

from orchestrator.counts.compact import fold
from orchestrator.counts.read import TABLES, jobs_by_status, rows_by_table, rows_of
from orchestrator.counts.verify import Verified, verify

__all__ = ["TABLES", "Verified", "fold", "jobs_by_status", "rows_by_table", "rows_of", "verify"]
