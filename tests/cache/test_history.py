"""Entries belong to one history of the database, and to one memory of the cache server."""

import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, transaction
from rest_framework.test import APIClient

from orchestrator.cache import database, keys, timing
from orchestrator.models import Job, User
from tests.cache.assertions import cache_status, warm
from tests.http_client import HttpClient
from tests.polling import wait_until
from tests.servers.postgres import PROGRAMS, SUPERUSER, PostgresServer
from tests.servers.valkey import ValkeyServer

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/api/v1/jobs/"


@pytest.fixture
def backup(database_url: str, tmp_path: Path) -> Callable[[], Callable[[], None]]:
    """A function that backs up the database, and returns a function that restores it while it is in use."""
    file = tmp_path / "backup"

    def sqlite() -> Callable[[], None]:
        name = database_url.removeprefix("sqlite:///")
        copy(name, str(file))
        return lambda: copy(str(file), name)

    def postgres() -> Callable[[], None]:
        dump = [PROGRAMS / "pg_dump", "--clean", "--if-exists", "--file", file, database_url]
        restore = [PROGRAMS / "psql", "-qX1", "-v", "ON_ERROR_STOP=1", "-f", file, database_url]
        subprocess.run(dump, check=True)
        return lambda: subprocess.run(restore, check=True, stdout=subprocess.DEVNULL) and None

    return sqlite if connection.vendor == "sqlite" else postgres


def copy(source: str, target: str) -> None:
    """Copy a SQLite database into another, as the command ``.restore`` does."""
    read, write = sqlite3.connect(source), sqlite3.connect(target, timeout=30)
    read.backup(write)
    read.close()
    write.close()


def is_hit(client: HttpClient, path: str) -> bool:
    return client.get(path).headers["X-Cache"] == "HIT"


@pytest.mark.parametrize("restarted", [False, True], ids=["while it runs", "while it is stopped"])
def test_after_a_restore_no_response_is_from_the_future(
    restarted: bool,  # noqa: FBT001 - a case
    backup: Callable[[], Callable[[], None]],
    web,
    valkey: ValkeyServer,
    user: User,
):
    kept = Job.objects.create(name="kept")
    service = web(workers=1, env={"REDIS_URL": valkey.url})
    client = HttpClient(service).sign_in("user")
    restore = backup()
    lost = Job.objects.create(name="lost")
    assert client.patch(f"{LIST}{kept.pk}/", {"priority": 7}).status == 200
    for path in (LIST, f"{LIST}{kept.pk}/", f"{LIST}{lost.pk}/"):
        wait_until(lambda path=path: is_hit(client, path), what=f"a hit of {path}")
    connection.close()

    restore()
    if restarted:
        wait_until(lambda: not valkey.execute("EXISTS", keys.looked()), what="a second without a look")
        # Writes before the first request must not hide that the history is another one.
        for priority in range(20):
            Job.objects.update(priority=priority)
        Job.objects.update(priority=0)
        client.url = web(workers=1, env={"REDIS_URL": valkey.url})

    wait_until(lambda: client.get(f"{LIST}{lost.pk}/").status == 404, what="the restored state")
    assert client.get(f"{LIST}{kept.pk}/").json()["priority"] == 0
    assert [row["name"] for row in client.get(LIST).json()["results"]] == ["kept"]
    wait_until(lambda: is_hit(client, LIST), what="a hit")


def test_an_epoch_expires_before_outbox_rows_are_pruned(valkey: ValkeyServer, as_user: APIClient):
    warm(as_user, LIST)
    left = valkey.execute("PTTL", keys.epoch())

    assert 0 < left <= timing.EPOCH_KEPT * 1000
    assert 2 * timing.EPOCH_KEPT < timing.PRUNE_AFTER


def test_without_its_epoch_no_entry_is_served(valkey: ValkeyServer, as_user: APIClient):
    body = warm(as_user, LIST)[LIST]
    valkey.execute("DEL", keys.epoch())

    assert as_user.get(LIST)["X-Cache"] != "HIT"
    assert warm(as_user, LIST) == {LIST: body}


@pytest.mark.parametrize("loss", ["FLUSHALL", "restart"])
def test_a_server_that_lost_its_marks_is_not_trusted_before_the_writes_in_flight_are_over(
    loss: str, own_cache: Callable[..., ValkeyServer], as_user: APIClient, database_url: str
):
    cache = own_cache()
    Job.objects.create(name="a job")
    warm(as_user, LIST)

    with open_write(database_url):
        if loss == "FLUSHALL":
            cache.flush()
        else:
            cache.restart()

        assert [as_user.get(LIST)["X-Cache"] for _ in range(3)] == ["BYPASS"] * 3

    assert cache_status(as_user, LIST) == "MISS"
    warm(as_user, LIST)


@contextmanager
def open_write(database_url: str) -> Iterator[None]:
    """Another process's transaction, which has changed a job."""
    if connection.vendor == "postgresql":
        other: Any = psycopg.connect(database_url)
    else:
        other = sqlite3.connect(database_url.removeprefix("sqlite:///"))
    other.execute("UPDATE jobs SET priority = 42")
    yield
    other.rollback()
    other.close()


def test_an_old_transaction_is_over_and_an_open_one_is_not(transactional_db: None):
    if connection.vendor == "sqlite":
        with database.no_other_writer(connection) as alone:
            assert alone
        return
    with transaction.atomic():
        current = database.current_transaction(connection)
        other = connection.copy()
        assert not database.is_over(other, current)
        assert current in database.open_transactions(other)
        other.close()
    assert database.is_over(connection, current)
    assert database.open_transactions(connection) == frozenset()
    assert database.is_over(connection, "3")
    assert database.is_over(connection, str(2**62))
    assert database.is_over(connection, "nonsense")


@pytest.mark.postgres
def test_a_crash_of_the_database_is_another_history(postgres_server: Callable[..., PostgresServer]):
    """It loses commits where ``synchronous_commit`` is off."""
    server = postgres_server()
    other = connection.copy("crashing")
    other.settings_dict.update(NAME="postgres", HOST=str(server.folder), PORT="", USER=SUPERUSER)
    other.settings_dict["OPTIONS"] = {}

    def look() -> database.History:
        try:
            return database.look(other)[1]
        finally:
            other.close()

    with server.connect() as session:
        session.execute("CREATE TABLE cache_outbox (id bigint)")
        before = look()
        assert look().continues(before)
        os.kill(session.info.backend_pid, signal.SIGKILL)

    def is_another() -> bool:
        with suppress(OperationalError):  # while the server recovers
            return not look().continues(before)
        return False

    wait_until(is_another, what="other history")
