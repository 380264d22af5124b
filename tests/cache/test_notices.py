"""Triggers tell a connection that listens; what is committed without its hook goes into the outbox."""

from collections.abc import Callable

import psycopg
import pytest
from django.db import connection, transaction
from rest_framework.test import APIClient

from orchestrator.cache import outbox, timing
from orchestrator.models import Job
from tests.cache.assertions import assert_current, warm
from tests.cache.write_methods import WRITE_METHODS
from tests.servers.valkey import ValkeyServer

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("long_lease"),
]

UPDATE = "UPDATE jobs SET priority = priority + 1"
PATHS = ("/api/v1/jobs/", "/api/v1/jobs/?status=pending", "/api/v1/jobs/counts/")


@pytest.fixture
def job(db: None) -> Job:
    return Job.objects.create(name="watched")


def waiting() -> int:
    """Return how many rows wait in the outbox, with those of the open transaction."""
    return outbox.backlog(connection)[0]


def test_a_transaction_of_django_puts_nothing_into_the_outbox(job: Job):
    with transaction.atomic():
        Job.objects.update(priority=1)
        assert waiting() == 0


def test_what_is_told_may_have_any_signs(job: Job, as_user: APIClient):
    kind = 'a "type", with \' {signs} \\ and \N{SNOWMAN}'
    paths = ("/api/v1/events/", "/api/v1/events/?type=x")
    warm(as_user, *paths)
    as_user.post("/api/v1/events/", {"type": kind, "payload": {}}, format="json")
    assert as_user.get("/api/v1/events/").json()["results"][0]["type"] == kind
    assert_current(as_user, paths)


def test_a_statement_by_itself_goes_into_the_outbox(job: Job):
    connection.connection.execute(UPDATE)  # past Django, and committed without it
    assert waiting() == 1


def test_a_transaction_past_django_goes_into_the_outbox(job: Job):
    with connection.connection.transaction():
        connection.connection.execute(UPDATE)
    assert waiting() == 1


def test_another_program_goes_into_the_outbox(job: Job, database_url: str):
    with psycopg.connect(database_url) as other:
        other.deferrable = True
        other.execute(UPDATE)
    assert waiting() == 1


def test_what_the_cache_is_not_told_of_waits_in_the_outbox(
    job: Job, own_cache: Callable[..., ValkeyServer], monkeypatch: pytest.MonkeyPatch
):
    server = own_cache()
    monkeypatch.setattr(timing, "LEASE", 0)  # which the write waits out
    Job.objects.update(priority=1)
    server.close()
    Job.objects.update(priority=2)
    assert waiting() > 0


@pytest.mark.usefixtures("collecting")
@pytest.mark.parametrize("name", ["save", "queryset_update_status", "delete", "manual_transaction"])
def test_a_connection_that_does_not_listen_collects(name: str, job: Job, as_user: APIClient):
    warm(as_user, *PATHS)

    WRITE_METHODS[name](job)

    assert waiting() == 0
    assert_current(as_user, PATHS)
