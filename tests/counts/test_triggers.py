"""The triggers that the cache and the counts stand on are there after every migration, whatever it did."""

import re
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection, connections, models

from orchestrator import counts
from orchestrator.models import Job
from tests.migrations.schema import migrate

SQL = Path(apps.get_app_config("orchestrator").path) / "migrations" / "sql"
CREATED = re.compile(r"^CREATE (?:OR REPLACE )?TRIGGER (?:IF NOT EXISTS )?(\w+)", re.MULTILINE)
PRESENT = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'",
}


def written(vendor: str) -> set[str]:
    return {
        name
        for file in SQL.glob(f"*.{vendor}.sql")
        for name in CREATED.findall(file.read_text(encoding="utf-8"))
    }


def present(database: str) -> set[str]:
    with connections[database].cursor() as cursor:
        cursor.execute(PRESENT[connections[database].vendor])
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.django_db
def test_every_trigger_of_the_migrations_is_there_after_all_of_them() -> None:
    expected = written(connection.vendor)
    assert len(expected) > 20
    assert present("default") >= expected


@pytest.mark.sqlite
@pytest.mark.parametrize("table", ["Job", "Event", "Task", "User"])
def test_triggers_outlive_a_change_for_which_sqlite_makes_the_table_anew(
    scratch_database: str, table: str
) -> None:
    migrate(scratch_database)
    connections[scratch_database].close()
    before = present(scratch_database)
    Job.objects.using(scratch_database).create(name="before")
    model = apps.get_model("orchestrator", table)
    column = model._meta.get_field("created_at")
    nullable = models.DateTimeField(null=True)
    nullable.set_attributes_from_name("created_at")
    with connections[scratch_database].schema_editor() as editor:
        editor.alter_field(model, column, nullable)
    assert present(scratch_database) == before >= written("sqlite")
    Job.objects.using(scratch_database).create(name="after")
    assert counts.rows_of("jobs", using=scratch_database) == 2
