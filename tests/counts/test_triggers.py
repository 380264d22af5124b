"""The triggers of the cache and the counts exist after every migration."""

import re
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection, connections, models

from orchestrator import counts
from orchestrator.models import Job
from tests.migrations.schema import migrate

SQL = Path(apps.get_app_config("orchestrator").path) / "migrations" / "sql"
CREATE_TRIGGER = re.compile(r"^CREATE (?:OR REPLACE )?TRIGGER (?:IF NOT EXISTS )?(\w+)", re.MULTILINE)
TRIGGER_NAMES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'",
}


def triggers_in_files(vendor: str) -> set[str]:
    return {
        name
        for file in SQL.glob(f"*.{vendor}.sql")
        for name in CREATE_TRIGGER.findall(file.read_text(encoding="utf-8"))
    }


def triggers_in_database(database: str) -> set[str]:
    with connections[database].cursor() as cursor:
        cursor.execute(TRIGGER_NAMES[connections[database].vendor])
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.django_db
def test_every_trigger_exists_after_all_migrations() -> None:
    expected = triggers_in_files(connection.vendor)
    assert len(expected) > 20
    assert triggers_in_database("default") >= expected


@pytest.mark.sqlite
@pytest.mark.parametrize("table", ["Job", "Event", "Task", "User"])
def test_triggers_survive_when_sqlite_rebuilds_their_table(scratch_database: str, table: str) -> None:
    migrate(scratch_database)
    connections[scratch_database].close()
    before = triggers_in_database(scratch_database)
    Job.objects.using(scratch_database).create(name="before")
    model = apps.get_model("orchestrator", table)
    column = model._meta.get_field("created_at")
    nullable = models.DateTimeField(null=True)
    nullable.set_attributes_from_name("created_at")
    with connections[scratch_database].schema_editor() as editor:
        editor.alter_field(model, column, nullable)
    assert triggers_in_database(scratch_database) == before >= triggers_in_files("sqlite")
    Job.objects.using(scratch_database).create(name="after")
    assert counts.rows_of("jobs", using=scratch_database) == 2
