"""The database's clock, which all web servers share."""

from datetime import datetime

from django.db import DEFAULT_DB_ALIAS, connections
from django.utils import timezone


def database_now(using: str = DEFAULT_DB_ALIAS) -> datetime:
    """Return the current time of a database's server. SQLite has none: it runs in this process."""
    connection = connections[using]
    if connection.vendor == "sqlite":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now
