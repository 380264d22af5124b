"""The triggers that tell the cache come and go with the setting, whatever is migrated in between."""

from django.conf import LazySettings
from django.db import connections

from orchestrator.cache import outbox, triggers
from tests.migrations.schema import migrate

BEFORE_THE_OUTBOX = "0003_list_indexes"


def told(alias: str, name: str) -> bool:
    """Insert a task past Django's statements, and return whether the outbox tells of it."""
    connection = connections[alias]
    before = outbox.backlog(connection)[0]
    raw = connection.connection.cursor()
    raw.execute(
        "INSERT INTO tasks (id, title, description, version, created_at, updated_at) VALUES"  # noqa: S608 - ours
        f" ('0198c0de00007000800000000000000{name}', 'past Django', '', 1, '2026-01-01', '2026-01-01')"
    )
    return outbox.backlog(connection)[0] > before


def test_come_and_go_with_the_setting(scratch_database: str, settings: LazySettings):
    migrate(scratch_database)
    connection = connections[scratch_database]
    assert triggers.active(connection)
    assert told(scratch_database, "1")

    settings.CACHE_TRIGGERS = False
    migrate(scratch_database)
    assert not triggers.active(connection)
    assert not told(scratch_database, "2")
    migrate(scratch_database)
    assert not triggers.active(connection)

    settings.CACHE_TRIGGERS = True
    migrate(scratch_database)
    assert triggers.active(connection)
    assert told(scratch_database, "3")


def test_are_there_for_migrations(scratch_database: str, settings: LazySettings):
    settings.CACHE_TRIGGERS = False
    connection = connections[scratch_database]
    migrate(scratch_database)
    assert not triggers.active(connection)

    migrate(scratch_database, BEFORE_THE_OUTBOX)
    assert not outbox.exists(connection)
    migrate(scratch_database)
    assert not triggers.active(connection)

    settings.CACHE_TRIGGERS = True
    migrate(scratch_database)
    assert triggers.active(connection)
