"""What a response acknowledges is seen by every later read, though the cache did not know of it at first."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestrator.cache import barrier, keys, outbox, tags
from orchestrator.models import Job, User
from tests.cache.tcp_proxy import TcpProxy
from tests.http_client import HttpClient
from tests.polling import wait_until
from tests.servers.valkey import ValkeyServer
from tests.users import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/api/v1/jobs/"
PENDING = f"{LIST}?status=pending"
ROUNDS = 5


@pytest.fixture
def healthy(web, valkey: ValkeyServer, user: User) -> HttpClient:
    """A client of an instance that reaches the cache server."""
    return HttpClient(web(workers=1, env={"REDIS_URL": valkey.url})).sign_in("user")


@pytest.fixture
def cut_off(web, valkey: ValkeyServer, user: User) -> Iterator[HttpClient]:
    """A client of an instance that does not reach the cache server."""
    with TcpProxy(valkey.socket) as proxy:
        proxy.cut()
        yield HttpClient(web(workers=1, env={"REDIS_URL": proxy.url})).sign_in("user")


@pytest.fixture
def change(database_url: str) -> Callable[..., None]:
    """A function that changes rows without Django, as ``psql`` does."""

    def execute(statement: str, *parameters: object) -> None:
        if connection.vendor == "postgresql":
            with psycopg.connect(database_url, autocommit=True) as other:
                other.execute(statement.replace("?", "%s"), parameters)  # type: ignore[arg-type]
            return
        other = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute(statement, [getattr(value, "hex", value) for value in parameters])
        other.close()

    return execute


def wait_for_hit(client: HttpClient, path: str) -> None:
    wait_until(lambda: client.get(path).headers["X-Cache"] == "HIT", what=f"a hit of {path}")


def ids(client: HttpClient, path: str) -> list[str]:
    return [row["id"] for row in client.get(path).json()["results"]]


class TestBuildingOnAWriteThatWasNotAnnounced:
    """One instance is cut off from the cache server; its COMMIT is visible before its response is sent."""

    @pytest.mark.parametrize(
        "second", ["completed", "running"], ids=["another change", "a change to the same"]
    )
    def test_a_status(self, second: str, cut_off: HttpClient, healthy: HttpClient):
        for _ in range(ROUNDS):
            job = Job.objects.create(name="a job")
            wait_for_hit(healthy, PENDING)
            path = f"{LIST}{job.pk}/status/"
            first = threading.Thread(target=cut_off.send, args=("PUT", path, {"status": "running"}))
            first.start()
            wait_until(lambda job=job: Job.objects.get(pk=job.pk).status == "running", what="the COMMIT")

            assert healthy.send("PUT", path, {"status": second}).status == 200

            assert str(job.pk) not in ids(healthy, PENDING)
            first.join()

    def test_a_deletion(self, cut_off: HttpClient, healthy: HttpClient, user: User):
        User.objects.filter(pk=user.pk).update(role="moderator")
        for _ in range(ROUNDS):
            job = Job.objects.create(name="a job")
            wait_for_hit(healthy, LIST)
            path = f"{LIST}{job.pk}/"
            first = threading.Thread(target=cut_off.send, args=("DELETE", path, {}))
            first.start()
            wait_until(lambda job=job: not Job.objects.filter(pk=job.pk).exists(), what="the COMMIT")

            assert healthy.send("DELETE", path, {}).status == 404

            assert str(job.pk) not in ids(healthy, LIST)
            first.join()


class TestBuildingOnSQLFromElsewhere:
    def test_the_same_change(self, healthy: HttpClient, change: Callable[..., None]):
        job = Job.objects.create(name="a job")
        path = f"{LIST}{job.pk}/"
        for priority in range(1, ROUNDS + 1):
            wait_for_hit(healthy, path)
            change("UPDATE jobs SET priority = ? WHERE id = ?", priority, job.pk)

            assert healthy.patch(path, {"priority": priority}).json()["priority"] == priority

            assert healthy.get(path).json()["priority"] == priority

    def test_a_new_password(self, web, healthy: HttpClient, change: Callable[..., None], user: User):
        for number in range(ROUNDS):
            wait_for_hit(healthy, LIST)
            user.set_password(f"{PASSWORD} {number}")
            change("UPDATE users SET password = ? WHERE id = ?", user.password, user.pk)

            healthy.sign_in("user", f"{PASSWORD} {number}")

            assert healthy.get(LIST).status == 200


class TestTheLookOfACommit:
    """A write looks at the outbox with its COMMIT; its request looks again only if it has read since."""

    @pytest.fixture(autouse=True)
    def written(self, own_cache: Callable[..., ValkeyServer], change: Callable[..., None]) -> None:
        own_cache()
        job = Job.objects.create(name="a job")
        # Committed after the look.
        change("UPDATE jobs SET priority = ? WHERE id = ?", 7, job.pk)

    def test_a_request_that_reads_nothing_after_it_does_not_look_again(self):
        with CaptureQueriesContext(connection) as queries:
            barrier.wait()
        assert not queries.captured_queries

        barrier.wait()  # of the next request
        assert not outbox.pending(connection, 1).ids

    def test_a_request_that_reads_after_it_looks_again(self):
        assert Job.objects.get().priority == 7
        barrier.wait()
        assert not outbox.pending(connection, 1).ids

    def test_a_commit_that_finds_something_leaves_it_to_the_barrier(self):
        Job.objects.create(name="another job")
        barrier.wait()
        assert not outbox.pending(connection, 1).ids

    def test_the_next_request_looks_itself(self):
        connection.close_if_unusable_or_obsolete()  # as Django does before each request
        barrier.wait()
        assert not outbox.pending(connection, 1).ids


# SQLite has one writer at a time: its COMMIT waits for nobody.
@pytest.mark.postgres
class TestACommitThatTakesLong:
    """A deferred trigger lets the COMMIT wait for a lock, as it may for a standby or a slow disk."""

    @pytest.fixture
    def held(self, database_url: str) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
        """A connection that holds the lock which the COMMIT waits for."""
        with psycopg.connect(database_url, autocommit=True) as other:
            other.execute(
                "CREATE FUNCTION wait_for_lock() RETURNS trigger LANGUAGE plpgsql"
                " AS $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$"
            )
            other.execute(
                "CREATE CONSTRAINT TRIGGER wait_for_lock AFTER UPDATE ON jobs DEFERRABLE INITIALLY DEFERRED"
                " FOR EACH ROW EXECUTE FUNCTION wait_for_lock()"
            )
            other.execute("SELECT pg_advisory_lock(1)")
            yield other
            other.execute("SELECT pg_advisory_unlock_all()")
            wait_until(lambda: not waiting(other), what="the COMMIT's end")
            other.execute("DROP FUNCTION wait_for_lock CASCADE")

    def test_its_tags_stay_in_flight_until_it_is_over(
        self, held, database_url: str, healthy: HttpClient, valkey: ValkeyServer
    ):
        job = Job.objects.create(name="a job")
        wait_for_hit(healthy, PENDING)
        code = (
            "import django; django.setup(); from orchestrator.models import Job;"
            f" job = Job.objects.get(pk='{job.pk}');"
            " job.status = 'cancelled'; job.completed_at = job.created_at; job.save()"
        )
        # On a busy machine the writer must not take the server for slow, and leave its tags to the outbox.
        url = f"{valkey.url}&socket_timeout=60&socket_connect_timeout=60"
        env = {**os.environ, "DATABASE_URL": database_url, "REDIS_URL": url}
        writer = subprocess.Popen(
            [sys.executable, "-c", code], env={**env, "DJANGO_SETTINGS_MODULE": "kyros.settings"}
        )
        wait_until(lambda: waiting(held), what="the COMMIT")
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        started = int(valkey.execute("TIME")[0])

        # Longer than a writer is left alone; until the COMMIT is over, no reader may store what it sees.
        wait_until(lambda: int(valkey.execute("TIME")[0]) - started >= 4 or served(healthy), what="4 seconds")
        assert not served(healthy)
        assert valkey.execute("EXISTS", keys.writers(tags.JOBS))

        held.execute("SELECT pg_advisory_unlock(1)")
        wait_until(lambda: Job.objects.get(pk=job.pk).status == "cancelled", what="the COMMIT's end")
        assert healthy.send("PUT", f"{LIST}{job.pk}/status/", {"status": "cancelled"}).status == 200
        assert str(job.pk) not in ids(healthy, PENDING)
        wait_for_hit(healthy, PENDING)
        assert str(job.pk) not in ids(healthy, PENDING)


def served(client: HttpClient) -> bool:
    """Return whether the list comes from the cache, or was stored there."""
    return client.get(PENDING).headers["X-Cache"] != "BYPASS"


def waiting(other: "psycopg.Connection[tuple[object, ...]]") -> bool:
    """Return whether a COMMIT waits for the lock."""
    query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    row = other.execute(query).fetchone()
    return bool(row and row[0])
