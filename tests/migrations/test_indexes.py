"""The indexes after each migration; the rows are unchanged."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connections

from orchestrator.hot_queries import UNMANAGED_INDEXES
from orchestrator.models import Event, Job, Task, User
from tests.migrations.schema import (
    INDEXES,
    INDEXES_OF_PERFORMANCE,
    INITIAL,
    PERFORMANCE,
    indexes,
    migrate,
    rows,
)

CONCURRENTLY = {"sqlite": 0, "postgres": len(INDEXES_OF_PERFORMANCE)}


def test_forward_backward_and_forward_again(database: str) -> None:
    before = rows(database)
    assert all(before.values())
    assert indexes(database) == INDEXES[INITIAL]
    for migration in (PERFORMANCE, INITIAL, PERFORMANCE):
        migrate(database, migration)
        assert indexes(database) == INDEXES[migration]
        assert rows(database) == before


def test_back_from_the_newest_and_forward_again(database: str) -> None:
    before = rows(database)
    migrate(database)
    newest = indexes(database)
    assert newest.items() >= INDEXES[PERFORMANCE].items()
    migrate(database, INITIAL)
    assert indexes(database) == INDEXES[INITIAL]
    migrate(database)
    assert indexes(database) == newest
    assert [len(table) for table in rows(database).values()] == [len(table) for table in before.values()]


def test_existing_indexes_are_kept(database: str) -> None:
    with connections[database].cursor() as cursor:
        cursor.execute("CREATE INDEX ix_jobs_status_priority ON jobs (status, priority)")
        cursor.execute("CREATE INDEX ix_users_active ON users (active)")
    migrate(database, PERFORMANCE)
    assert indexes(database) == INDEXES[PERFORMANCE]


def test_missing_indexes_are_ignored_on_the_way_back(database: str) -> None:
    migrate(database, PERFORMANCE)
    with connections[database].cursor() as cursor:
        cursor.execute("DROP INDEX ix_jobs_completed_at")
        cursor.execute("DROP INDEX ix_users_active")
    migrate(database, INITIAL)
    assert indexes(database) == INDEXES[INITIAL]


def test_indexes_are_built_concurrently_on_postgres_only(database: str, engine: str) -> None:
    for options in ({}, {"backwards": True}):
        if options:
            migrate(database, PERFORMANCE)
        output = StringIO()
        call_command("sqlmigrate", "orchestrator", PERFORMANCE, database=database, stdout=output, **options)
        assert output.getvalue().count("INDEX CONCURRENTLY") == CONCURRENTLY[engine]
        assert "BEGIN" not in output.getvalue()
        assert output.getvalue().count("INDEX") >= len(INDEXES_OF_PERFORMANCE)


@pytest.mark.django_db
def test_models_declare_exactly_the_indexes_of_the_database() -> None:
    descriptions = [model._meta for model in (Job, Event, Task, User)]
    declared = {
        index.name: (description.db_table, tuple(field.lstrip("-") for field in index.fields))
        for description in descriptions
        for index in description.indexes
    }
    found = indexes("default").items()
    present = {name: (table, columns) for name, (table, columns, _) in found if name not in UNMANAGED_INDEXES}
    assert declared == present
    assert declared.keys() >= INDEXES[PERFORMANCE].keys()


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
