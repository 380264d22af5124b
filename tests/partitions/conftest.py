"""Databases of their own for tests of partitions: what they change stays for good."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from orchestrator import partitions
from orchestrator.partitions import short_locks
from tests.partitions.killed_runs import Statements

numbers = count(1)


@contextmanager
def copied_database(blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let this process use a copy of its database."""
    original = connection.settings_dict["NAME"]
    copy = f"{original}_copy{next(numbers)}"
    with blocker.unblock():
        _disconnect()
        # A connection that an earlier test has left open would forbid the copy.
        _on_server(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{original}'")  # noqa: S608
        _on_server(f"CREATE DATABASE {copy} TEMPLATE {original}")
        connection.settings_dict["NAME"] = copy
        yield
        _disconnect()
        connection.settings_dict["NAME"] = original
        _on_server(f"DROP DATABASE {copy} WITH (FORCE)")


def _disconnect() -> None:
    connection.close()
    if hasattr(connection, "close_pool"):
        connection.close_pool()


def _on_server(statement: str) -> None:
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path="/postgres").geturl()
    with psycopg.connect(url, autocommit=True) as maintenance:
        maintenance.execute(statement)


@pytest.fixture
def plain_database(transactional_db: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A database for one test, with the plain table."""
    with copied_database(django_db_blocker):
        yield


@pytest.fixture
def partitioned_database(plain_database: None) -> None:
    """A database for one test, with the partitioned table."""
    partitions.run()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once when a lock is taken."""
    monkeypatch.setattr(short_locks, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(short_locks, "WAITS", short_locks.WAITS * 10)


@pytest.fixture
def sql() -> Callable[..., list[tuple[Any, ...]]]:
    """A function that executes SQL on this process's connection and returns its rows."""

    def execute(statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    return execute


@pytest.fixture
def statements() -> Iterator[Statements]:
    """Counts the statements of this process's connection, and kills it at one of them."""
    watch = Statements()
    with connection.execute_wrapper(watch):
        yield watch


@pytest.fixture
def other_client(database_url_now: str) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
    """Another client of this test's database, in autocommit mode."""
    with psycopg.connect(database_url_now, autocommit=True) as client:
        yield client


@pytest.fixture
def database_url_now(plain_database: None) -> str:
    """The URL of this test's own database."""
    path = f"/{connection.settings_dict['NAME']}"
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=path).geturl()
