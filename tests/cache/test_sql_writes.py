"""Cached responses show changes made in SQL by other programs; Django's own are not invalidated twice."""

import sqlite3
import subprocess
from collections.abc import Callable

import psycopg
import pytest
from django.db import OperationalError, connection
from rest_framework.test import APIClient

from orchestrator.cache import client, database, drain, outbox
from orchestrator.cache.interface import CacheUnavailable
from orchestrator.models import Job, Task
from tests.cache.assertions import assert_current, cache_status, uncached_body, warm
from tests.polling import wait_until
from tests.servers.postgres import PROGRAMS

pytestmark = pytest.mark.django_db(transaction=True)

Psql = Callable[[str], None]


@pytest.fixture
def psql(database_url: str) -> Psql:
    """A function that executes a statement outside Django: by ``psql``, or over another SQLite connection."""

    def execute(statement: str) -> None:
        if connection.vendor == "postgresql":
            subprocess.run([PROGRAMS / "psql", "-qX", database_url, "-c", statement], check=True)
        else:
            other = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
            other.execute(statement)
            other.close()

    return execute


@pytest.fixture
def job(db: None) -> Job:
    return Job.objects.create(name="a job")


def paths_of(job: Job) -> tuple[str, ...]:
    return (
        "/api/v1/jobs/",
        "/api/v1/jobs/?status=pending",
        "/api/v1/jobs/counts/",
        f"/api/v1/jobs/{job.pk}/",
    )


CHANGES = {
    "update": "UPDATE jobs SET priority = 42",
    "cancel": "UPDATE jobs SET status = 'cancelled', completed_at = created_at",
    "delete": "DELETE FROM jobs",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_shows_with_a_relay(change: str, psql: Psql, relay_on, job: Job, as_user: APIClient):
    relay_on()
    warm(as_user, *paths_of(job))

    psql(change)

    for path in paths_of(job):
        wait_until(lambda path=path: is_current(as_user, path), what=f"the change of {path}")
    wait_until(lambda: outbox.pending(connection, 1).ids == (), what="the outbox to be drained")
    assert_current(as_user, paths_of(job))


def is_current(client: APIClient, path: str) -> bool:
    expected, response = uncached_body(client, path), client.get(path)
    return response.content == expected if expected else response.status_code == 404


def test_a_change_shows_without_a_relay(psql: Psql, job: Job, as_user: APIClient):
    warm(as_user, *paths_of(job))

    psql(CHANGES["update"])

    for path in paths_of(job):
        wait_until(lambda path=path: is_current(as_user, path), what=f"the change of {path}")


def test_a_rollback_invalidates_nothing(database_url: str, job: Job, as_user: APIClient):
    warm(as_user, *paths_of(job))
    if connection.vendor == "postgresql":
        with psycopg.connect(database_url) as other:
            other.execute(CHANGES["update"])
            other.rollback()
    else:
        other = sqlite3.connect(database_url.removeprefix("sqlite:///"))
        other.execute(CHANGES["update"])
        other.rollback()
        other.close()

    drain.drain_outbox(client.current())

    assert [cache_status(as_user, path) for path in paths_of(job)] == ["HIT"] * len(paths_of(job))


def test_a_write_of_django_is_invalidated_once(job: Job, as_user: APIClient):
    Job.objects.update(priority=1)
    Task.objects.create(title="t")
    warm(as_user, *paths_of(job))

    for _ in range(3):
        drain.drain_outbox(client.current())

    assert [cache_status(as_user, path) for path in paths_of(job)] == ["HIT"] * len(paths_of(job))


def test_many_rows_are_drained_in_steps(
    psql: Psql, job: Job, as_user: APIClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(drain, "MAX_ROWS_AT_ONCE", 10)
    monkeypatch.setattr(drain, "MAX_TAGS_AT_ONCE", 5)
    warm(as_user, *paths_of(job))
    for number in range(35):
        psql(f"UPDATE jobs SET priority = {number}")  # noqa: S608
        psql(
            f"INSERT INTO events (id, type, payload, created_at) SELECT id, 't{number}', '{{}}', created_at"  # noqa: S608
            " FROM jobs WHERE NOT EXISTS (SELECT 1 FROM events)"
        )
        psql("DELETE FROM events")

    drain.drain_outbox(client.current())

    assert outbox.pending(connection, 1).ids == ()
    assert_current(as_user, paths_of(job))


def test_there_is_no_lease_while_the_database_is_down(
    job: Job, as_user: APIClient, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object) -> None:
        raise OperationalError

    cache = client.current()
    warm(as_user, *paths_of(job))
    monkeypatch.setattr(database, "look", fail)
    wait_until(lambda: not cache.lease.fresh, what="the end of the lease")

    with pytest.raises(CacheUnavailable):
        wait_until(lambda: cache.lease.hold(cache), what="an error")
