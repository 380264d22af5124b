"""Statistics of the database engine: one module for each engine, one function for each query, plain rows.

Both modules have the same functions. What an engine does not provide is None, an empty list or no key.
"""

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring.engines import postgresql, sqlite


def of(connection: BaseDatabaseWrapper) -> Any:
    """Return the module of the connection's engine."""
    return postgresql if connection.vendor == "postgresql" else sqlite
