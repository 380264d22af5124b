"""Writers on SQLite wait in a queue; without it these transactions would fail at SQLite's own lock."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection, connections, transaction

from orchestrator.db.sqlite3 import write_queue
from orchestrator.models import Task
from tests.polling import wait_until

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

#: Prints a line when it is in a transaction, and commits when it reads a line.
HOLDER = """
import django
django.setup()
from django.db import transaction
from orchestrator.models import Task
with transaction.atomic():
    Task.objects.create(title="of another process")
    print("in", flush=True)
    input()
"""


def write(title: str) -> None:
    """Write in a transaction, without SQLite's own waiting for the lock."""
    try:
        connection.ensure_connection()
        connection.connection.execute("PRAGMA busy_timeout = 0")
        with transaction.atomic():
            Task.objects.create(title=title)
    finally:
        connections.close_all()


@pytest.fixture
def background() -> Iterator[Callable[..., Future[None]]]:
    """A function that calls a function in another thread."""
    with ThreadPoolExecutor(16) as pool:
        yield pool.submit


@contextmanager
def holder(database_url: str) -> Iterator[subprocess.Popen[str]]:
    """Run another process that is in a transaction."""
    environment = {**os.environ, "DATABASE_URL": database_url, "REDIS_URL": "none"}
    command = [sys.executable, "-c", HOLDER]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, text=True, stdin=pipe, stdout=pipe) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "in\n"
            yield process
        finally:
            process.kill()


def is_waiting() -> bool:
    """Return whether a thread of this process waits in the queue."""
    queue = write_queue._queues.get(str(connection.settings_dict["NAME"]))  # noqa: SLF001
    return queue is not None and queue._thread_lock.locked()  # noqa: SLF001


def test_threads_write_one_after_another(background: Callable[..., Future[None]]):
    titles = {str(number) for number in range(16)}
    with transaction.atomic():
        Task.objects.create(title="first")
        waiting = [background(write, title) for title in titles]
    for each in waiting:
        each.result()

    assert set(Task.objects.values_list("title", flat=True)) == {"first", *titles}


@pytest.mark.parametrize("ends", ["commit", "kill"])
@pytest.mark.slow
def test_processes_write_one_after_another(
    ends: str, database_url: str, background: Callable[..., Future[None]]
):
    with holder(database_url) as other:
        waiting = [background(write, str(number)) for number in range(4)]
        wait_until(is_waiting, what="waiting writer")
        assert not any(each.done() for each in waiting)

        if ends == "commit":
            other.communicate("\n")
        else:
            other.kill()

        for each in waiting:
            each.result()
    assert Task.objects.count() == (5 if ends == "commit" else 4)


@pytest.mark.slow
def test_waiting_for_a_stopped_process_times_out(database_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.2)
    with holder(database_url) as other:
        other.send_signal(signal.SIGSTOP)

        with pytest.raises(OperationalError, match="database is locked"), transaction.atomic():
            """It does not begin."""

        other.kill()
        other.wait()
    write("afterwards")
    assert Task.objects.get().title == "afterwards"


def test_waiting_for_another_thread_times_out(
    background: Callable[..., Future[None]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.2)
    with transaction.atomic(), pytest.raises(OperationalError, match="database is locked"):
        background(write, "x").result()
    write("afterwards")


def test_next_writer_starts_after_rollback_failed_begin_and_closed_connection(
    background: Callable[..., Future[None]],
):
    with transaction.atomic():
        Task.objects.create(title="rolled back")
        transaction.set_rollback(True)
    background(write, "after a rollback").result()

    connection.connection.execute("BEGIN IMMEDIATE")  # SQLite refuses to begin once more
    with pytest.raises(OperationalError), transaction.atomic():
        """It does not begin."""
    connection.connection.execute("ROLLBACK")
    background(write, "after no beginning").result()

    def close() -> None:
        with transaction.atomic():
            Task.objects.create(title="closed")
            connections.close_all()

    background(close).result()
    background(write, "after a close").result()

    written = set(Task.objects.values_list("title", flat=True))
    assert written == {"after a rollback", "after no beginning", "after a close"}


def test_threads_still_queue_if_the_lock_file_cannot_be_created(
    background: Callable[..., Future[None]], monkeypatch: pytest.MonkeyPatch
):
    nowhere = write_queue.WriteQueue("/nowhere/database")
    monkeypatch.setitem(write_queue._queues, str(connection.settings_dict["NAME"]), nowhere)  # noqa: SLF001
    test_threads_write_one_after_another(background)


@pytest.mark.parametrize("method", ["acquire", "release"])
def test_failing_lock_file_blocks_no_later_writer(
    method: str, background: Callable[..., Future[None]], monkeypatch: pytest.MonkeyPatch
):
    def fail(_: write_queue.FileLocks, byte: int, *__: float) -> None:
        if method == "acquire" or byte == write_queue._ACTIVE:  # noqa: SLF001
            raise OSError("No locks available")

    with monkeypatch.context() as patched:
        patched.setattr(write_queue.FileLocks, method, fail)
        with pytest.raises(OSError, match="No locks available"):
            write("x")

    background(write, "afterwards").result(30)
