"""How an engine answers a query, read from its own planner: one reader an engine, one value from both."""

from monitoring.plans.plan import PRIMARY_KEY, Plan, Reading, Sort, Statement
from monitoring.plans.reading import UnknownEngineError, read, require_known_engine

__all__ = [
    "PRIMARY_KEY",
    "Plan",
    "Reading",
    "Sort",
    "Statement",
    "UnknownEngineError",
    "read",
    "require_known_engine",
]
