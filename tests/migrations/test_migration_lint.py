"""The linter of migrations finds what would block writers, and exceptions that are not needed."""

from typing import Any

import pytest
from django.db import migrations, models
from django.db.migrations.state import ModelState, ProjectState

from scripts import lint_migrations

pytestmark = pytest.mark.engine_neutral


def problems(*operations: Any, **attributes: Any) -> list[str]:
    """Return what the linter says about a migration of a table that exists."""
    table = ModelState(
        "app", "Thing", [("id", models.UUIDField(primary_key=True)), ("size", models.IntegerField())]
    )
    state = ProjectState({("app", "thing"): table})
    migration = type("Migration", (migrations.Migration,), {"operations": operations, **attributes})(
        "0002", "app"
    )
    return list(lint_migrations.problems({"app.0002": (migration, state)}))


SIZE = models.Index(fields=["size"], name="ix_size")


def test_an_index_that_blocks_writers() -> None:
    (problem,) = problems(migrations.AddIndex("thing", SIZE))
    assert problem.startswith("app.0002: require-concurrent-index-creation: ")


def test_a_column_that_the_running_version_does_not_fill() -> None:
    # Without db_default Django drops the default again: an older version's INSERT has no value for the column.
    (problem,) = problems(migrations.AddField("thing", "weight", models.IntegerField(default=1)))
    assert problem.startswith("app.0002: ban-drop-default: ")


def test_an_exception_with_a_reason() -> None:
    remove = migrations.RemoveField("thing", "size")
    assert problems(remove, lint_exceptions={"ban-drop-column": "no version reads it"}) == []
    (problem,) = problems(remove)
    assert problem.startswith("app.0002: ban-drop-column: ")


def test_an_exception_that_is_not_needed() -> None:
    (problem,) = problems(lint_exceptions={"ban-drop-column": "no version reads it"})
    assert "remove the exception" in problem


def test_a_new_table_and_a_column_with_a_default_in_the_database() -> None:
    assert (
        problems(
            migrations.CreateModel(
                "Part",
                [("name", models.CharField(max_length=9))],
                {"indexes": [models.Index("name", name="x")]},
            ),
            migrations.AddField("thing", "weight", models.IntegerField(db_default=1)),
        )
        == []
    )


def test_every_migration_of_the_project_is_found() -> None:
    names = lint_migrations.own_migrations()
    assert {"orchestrator.0001_initial", "console.0001_initial", "monitoring.0001_initial"} <= names.keys()
    assert not any(name.startswith("auth.") for name in names)
