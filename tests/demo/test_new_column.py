"""The demo data still loads after a column is added to a model."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connections, models
from django.db.migrations import AddField
from django.db.migrations.loader import MigrationLoader

from orchestrator.demo.bulk_load import load
from orchestrator.demo.seed_plan import SeedPlan
from orchestrator.models import Event, Job, Task, User
from tests.migrations.schema import migrate

PLAN = SeedPlan(
    jobs=30, events=None, tasks=5, users=5, seed=1, until=datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
)
#: A model, the options of a new field, and the values that the rows then have.
NEW_FIELDS: dict[str, tuple[type[models.Model], dict[str, Any], str]] = {
    "default in Python": (Job, {"default": dict}, "{}"),
    "default in the database": (Event, {"db_default": {}}, "{}"),
    "null": (Task, {"null": True}, "None"),
    "default in both": (User, {"default": dict, "db_default": {}}, "{}"),
}


@pytest.fixture
def new_fields(scratch_database: str) -> Iterator[None]:
    """A migrated database in which each model's table has the column ``labels``."""
    migrate(scratch_database)
    for model, options, _ in NEW_FIELDS.values():
        model.add_to_class("labels", models.JSONField(**options))  # type: ignore[attr-defined]
        field = model._meta.get_field("labels")
        add_column(scratch_database, AddField(model._meta.model_name, "labels", field.clone()))
    yield
    for model, *_ in NEW_FIELDS.values():
        model._meta.local_fields.remove(model._meta.get_field("labels"))
        model._meta._expire_cache()  # noqa: SLF001 - Django has no public way to take a field off a model
        delattr(model, "labels")


def add_column(database: str, operation: AddField) -> None:
    """Run an operation on a database, as a migration after the latest one would."""
    before = MigrationLoader(connections[database]).project_state()
    after = before.clone()
    operation.state_forwards("orchestrator", after)
    with connections[database].schema_editor() as editor:
        operation.database_forwards("orchestrator", editor, before, after)


@pytest.mark.usefixtures("new_fields")
def test_the_demo_data_loads(scratch_database: str):
    load(PLAN, progress=lambda entries: None, using=scratch_database)
    for name, (model, _, value) in NEW_FIELDS.items():
        labels = model.objects.using(scratch_database).values_list("labels", flat=True)  # type: ignore[attr-defined]
        assert set(map(str, labels)) == {value}, name
