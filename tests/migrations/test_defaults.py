"""Column defaults: a column that a hand-written INSERT omits gets the value that Django would give it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models
from django.utils import timezone

from orchestrator.db.ids import new_id
from orchestrator.models import Event, Job, Task, User

REQUIRED: dict[type[models.Model], dict[str, str]] = {
    Job: {"name": "x"},
    Event: {"type": "x"},
    Task: {"title": "x"},
    User: {"username": "x", "email": "x@example.com", "password": "!"},
}


@pytest.mark.engine_neutral
@pytest.mark.parametrize("app", ["orchestrator", "console"])
def test_every_default_except_of_ids_is_in_the_database(app: str) -> None:
    fields = [
        field for model in apps.get_app_config(app).get_models() for field in model._meta.concrete_fields
    ]
    assert fields
    missing = [str(field) for field in fields if field.has_default() and not field.has_db_default()]
    assert [name for name in missing if not name.endswith(".id")] == []


@pytest.mark.django_db
@pytest.mark.parametrize("model", REQUIRED)
def test_a_row_inserted_with_sql_has_the_defaults_of_django(model: type[models.Model]) -> None:
    made = model(**REQUIRED[model])
    made.save()
    model.objects.filter(pk=made.pk).delete()  # type: ignore[attr-defined]
    key = made.pk
    values = {"id": key.hex, **REQUIRED[model]}
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {model._meta.db_table} ({', '.join(values)})"  # noqa: S608 - names of ours
            f" VALUES ({', '.join(['%s'] * len(values))})",
            list(values.values()),
        )
    (stored,) = model.objects.filter(pk=key).values()  # type: ignore[attr-defined]
    for name, value in stored.items():
        expected = getattr(made, name)
        if isinstance(value, datetime):
            assert abs(value - timezone.now()) < timedelta(minutes=1)
        else:
            assert value == expected, name


@pytest.mark.sqlite
@pytest.mark.django_db
def test_a_default_timestamp_is_text_in_the_format_of_django() -> None:
    key = new_id()
    stored: Any
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO events (id, type) VALUES (%s, 'x')", [key.hex])
        cursor.execute("SELECT created_at FROM events WHERE id = %s", [key.hex])
        (stored,) = cursor.fetchone()
        Event.objects.get(pk=key).save()
        cursor.execute("SELECT created_at FROM events WHERE id = %s", [key.hex])
        assert cursor.fetchone() == (stored,)
    assert Event.objects.filter(created_at=Event.objects.get(pk=key).created_at).exists()
