"""Migrations add and drop indexes of the partitioned table without blocking writers."""

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import Index

from orchestrator.db.migration_operations import AddIndexOnline, AddPostgresIndexOnline
from tests.partitions.killed_runs import Killed, Statements

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

Sql = Callable[..., list[tuple[Any, ...]]]

NAME = "ix_events_type_id"
VALID = """
    SELECT bool_and(indisvalid), count(*) FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname ~ %s
"""
OPERATIONS = [
    AddIndexOnline("event", Index(fields=["type", "id"], name=NAME)),
    AddPostgresIndexOnline("events", NAME, "(transaction) WHERE transaction IS NOT NULL"),
]


def run(operation: Operation, *, forwards: bool = True) -> None:
    without = ProjectState.from_apps(apps)
    with_index = without.clone()
    operation.state_forwards("orchestrator", with_index)
    with connection.schema_editor(atomic=False) as editor:
        if forwards:
            operation.database_forwards("orchestrator", editor, without, with_index)
        else:
            operation.database_backwards("orchestrator", editor, with_index, without)


@pytest.mark.parametrize("operation", OPERATIONS, ids=["of a model", "of no model"])
def test_an_index_is_built_on_each_partition(
    partitioned_database: None, operation: Operation, statements: Statements, sql: Sql
) -> None:
    partitions = len(sql("SELECT 1 FROM pg_inherits WHERE inhparent = 'events'::regclass"))
    statements.kill_at, statements.count = 9, 0
    with pytest.raises(Killed):
        run(operation)
    statements.kill_at = None
    connection.close()
    run(operation)
    run(operation)
    assert sql(VALID, [f"^{NAME}"]) == [(True, partitions + 1)]
    run(operation, forwards=False)
    assert sql(VALID, [f"^{NAME}"]) == [(None, 0)]
