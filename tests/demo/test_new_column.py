"""The demo data still loads after a column is added to a model."""

from collections.abc import Iterator
from datetime import UTC, datetime

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
FIELDS = {
    "default in Python": {"default": dict},
    "default in the database": {"db_default": {}},
    "null": {"null": True},
}


@pytest.fixture(params=[Job, Event, Task, User])
def model(request: pytest.FixtureRequest) -> type[models.Model]:
    """The model that gets a column more."""
    return request.param


@pytest.fixture(params=FIELDS)
def database(
    scratch_database: str, model: type[models.Model], request: pytest.FixtureRequest
) -> Iterator[str]:
    """The alias of a migrated database, in which the model's table has the column ``labels``."""
    migrate(scratch_database)
    model.add_to_class("labels", models.JSONField(**FIELDS[request.param]))  # type: ignore[attr-defined]
    field = model._meta.get_field("labels")
    add_column(scratch_database, AddField(model._meta.model_name, "labels", field.clone()))
    yield scratch_database
    model._meta.local_fields.remove(field)
    model._meta._expire_cache()  # noqa: SLF001 - Django has no public way to take a field off a model
    delattr(model, "labels")


def add_column(database: str, operation: AddField) -> None:
    """Run an operation on a database as a migration after the newest would."""
    before = MigrationLoader(connections[database]).project_state()
    after = before.clone()
    operation.state_forwards("orchestrator", after)
    with connections[database].schema_editor() as editor:
        operation.database_forwards("orchestrator", editor, before, after)


def test_the_demo_data_loads(database: str, model: type[models.Model], request: pytest.FixtureRequest):
    load(PLAN, progress=lambda entries: None, using=database)
    labels = set(map(str, model.objects.using(database).values_list("labels", flat=True)))  # type: ignore[attr-defined]
    assert labels == {"None" if "null" in request.node.name else "{}"}
