"""How an engine answers a query, read from its own planner: one reader an engine, one value from both."""

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
