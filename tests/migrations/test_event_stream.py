"""The column of the event stream: every way of writing fills it, and old rows have none."""

import pytest
from django.db import connection, connections

from orchestrator import actions
from orchestrator.models import Event
from tests.migrations.schema import INITIAL, migrate

pytestmark = pytest.mark.postgres

TRANSACTIONS = "SELECT count(*), count(transaction) FROM events"


def test_events_from_before_have_no_transaction(database: str) -> None:
    migrate(database, INITIAL)
    migrate(database)
    with connections[database].cursor() as cursor:
        cursor.execute(TRANSACTIONS)
        events, with_transaction = cursor.fetchone()
    assert events
    assert with_transaction == 0


@pytest.mark.django_db
def test_every_way_of_writing_fills_it() -> None:
    actions.record_event(type="one", payload={})
    Event.objects.bulk_create([Event(type="two"), Event(type="three")])
    with connection.cursor() as cursor:
        with cursor.copy("COPY events (id, type) FROM STDIN") as copy:
            copy.write("018f0000-0000-7000-8000-000000000000\tfour\n")
        cursor.execute("INSERT INTO events (id, type) VALUES (gen_random_uuid(), 'five')")
        cursor.execute(f"{TRANSACTIONS} WHERE transaction = pg_current_xact_id()")
        assert cursor.fetchone() == (5, 5)
