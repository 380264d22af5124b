"""Triggers send notices to a connection that listens; a commit without the hook fills the outbox."""

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
    return Job.objects.create(name="a job")


def outbox_length() -> int:
    """Return the number of rows in the outbox, including those of the open transaction."""
    return outbox.backlog(connection)[0]


def test_a_transaction_of_django_appends_nothing_to_the_outbox(job: Job):
    with transaction.atomic():
        Job.objects.update(priority=1)
        assert outbox_length() == 0


def test_tags_in_notices_may_have_any_characters(job: Job, as_user: APIClient):
    kind = 'a "type", with \' {braces} \\ and \N{SNOWMAN}'
    paths = ("/api/v1/events/", "/api/v1/events/?type=x")
    warm(as_user, *paths)
    as_user.post("/api/v1/events/", {"type": kind, "payload": {}}, format="json")
    assert as_user.get("/api/v1/events/").json()["results"][0]["type"] == kind
    assert_current(as_user, paths)


def test_a_statement_without_django_goes_into_the_outbox(job: Job):
    connection.connection.execute(UPDATE)  # in autocommit, without the hook
    assert outbox_length() == 1


def test_a_transaction_without_django_goes_into_the_outbox(job: Job):
    with connection.connection.transaction():
        connection.connection.execute(UPDATE)
    assert outbox_length() == 1


def test_another_program_goes_into_the_outbox(job: Job, database_url: str):
    with psycopg.connect(database_url) as other:
        other.deferrable = True
        other.execute(UPDATE)
    assert outbox_length() == 1


def test_a_write_that_cannot_be_announced_goes_into_the_outbox(
    job: Job, own_cache: Callable[..., ValkeyServer], monkeypatch: pytest.MonkeyPatch
):
    server = own_cache()
    monkeypatch.setattr(timing, "LEASE", 0)  # so that the write does not wait
    Job.objects.update(priority=1)
    server.close()
    Job.objects.update(priority=2)
    assert outbox_length() > 0


@pytest.mark.usefixtures("collecting")
@pytest.mark.parametrize("name", ["save", "queryset_update_status", "delete", "manual_transaction"])
def test_a_connection_that_does_not_listen_collects_from_the_outbox(name: str, job: Job, as_user: APIClient):
    warm(as_user, *PATHS)

    WRITE_METHODS[name](job)

    assert outbox_length() == 0
    assert_current(as_user, PATHS)
