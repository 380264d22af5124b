"""Query plans of SQLite and PostgreSQL, read from EXPLAIN into one common ``Plan``."""

from monitoring.plans.dispatch import UnknownEngineError, read, reader, require_known_engine
from monitoring.plans.plan import PRIMARY_KEY, Plan, Reader, Reading, Sort, Statement

__all__ = [
    "PRIMARY_KEY",
    "Plan",
    "Reader",
    "Reading",
    "Sort",
    "Statement",
    "UnknownEngineError",
    "read",
    "reader",
    "require_known_engine",
]
