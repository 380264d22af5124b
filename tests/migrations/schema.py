"""The indexes of the first two migrations, and functions that read a database's indexes and rows."""

from typing import Any

from django.core.management import call_command
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import StateApps

from orchestrator.counts import TABLES

INITIAL = "0001_initial"
PERFORMANCE = "0002_performance_optimization"

Index = tuple[str, tuple[str, ...], bool]  # table, columns, unique

INDEXES_OF_INITIAL: dict[str, Index] = {
    "ix_jobs_created_at": ("jobs", ("created_at",), False),
    "ix_jobs_status": ("jobs", ("status",), False),
    "ix_jobs_priority": ("jobs", ("priority",), False),
    "ix_events_created_at": ("events", ("created_at",), False),
    "ix_tasks_created_at": ("tasks", ("created_at",), False),
    "ix_users_username": ("users", ("username",), True),
    "ix_users_email": ("users", ("email",), True),
}
INDEXES_OF_PERFORMANCE: dict[str, Index] = {
    "ix_jobs_status_priority": ("jobs", ("status", "priority"), False),
    "ix_jobs_status_created_at": ("jobs", ("status", "created_at"), False),
    "ix_jobs_priority_created_at": ("jobs", ("priority", "created_at"), False),
    "ix_jobs_started_at": ("jobs", ("started_at",), False),
    "ix_jobs_completed_at": ("jobs", ("completed_at",), False),
    "ix_events_type": ("events", ("type",), False),
    "ix_events_type_created_at": ("events", ("type", "created_at"), False),
    "ix_tasks_title": ("tasks", ("title",), False),
    "ix_users_role": ("users", ("role",), False),
    "ix_users_active": ("users", ("active",), False),
}
INDEXES = {
    INITIAL: INDEXES_OF_INITIAL,
    PERFORMANCE: INDEXES_OF_INITIAL | INDEXES_OF_PERFORMANCE,
}


def migrate(database: str, migration: str | None = None) -> None:
    """Migrate a database forward or backward to a migration of the orchestrator; None for the newest."""
    arguments = ["orchestrator", migration] if migration else []
    call_command("migrate", *arguments, database=database, verbosity=0)


def applied_migrations(database: str) -> set[str]:
    """Return the orchestrator's migrations that are recorded as applied."""
    applied = MigrationRecorder(connections[database]).applied_migrations()
    return {name for app, name in applied if app == "orchestrator"}


def historical_apps(database: str, migration: str) -> StateApps:
    """Return the models as they were at a migration."""
    return MigrationLoader(connections[database]).project_state(("orchestrator", migration)).apps


def indexes(database: str) -> dict[str, Index]:
    """Return the indexes of the four tables except primary keys, as in the constants above."""
    connection = connections[database]
    with connection.cursor() as cursor:
        return {
            name: (table, tuple(details["columns"]), details["unique"])
            for table in TABLES
            for name, details in connection.introspection.get_constraints(cursor, table).items()
            if details["index"] and not details["primary_key"]
        }


def rows(database: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of the four tables with its physical position and, on PostgreSQL, its version."""
    connection = connections[database]
    place = "xmin::text, ctid::text" if connection.vendor == "postgresql" else "rowid"
    with connection.cursor() as cursor:
        contents = {}
        for table in TABLES:
            cursor.execute(f"SELECT {place}, * FROM {table} ORDER BY id")  # noqa: S608 - constants
            contents[table] = cursor.fetchall()
        return contents
