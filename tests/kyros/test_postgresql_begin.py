"""On PostgreSQL the first statement of a job's write begins the transaction, in one round trip."""

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from psycopg.pq import TransactionStatus

from orchestrator import actions
from orchestrator.choices import JobStatus
from orchestrator.db.postgresql.base import BoundedConnection
from orchestrator.models import Event, Job
from orchestrator.submission.jobs import submit

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def job(db: None) -> Job:
    return Job.objects.create(name="a job")


@pytest.fixture
def commands(job: Job, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The first words of the commands that psycopg sends of its own, each in a round trip."""
    sent: list[bytes] = []
    exec_command = BoundedConnection._exec_command  # noqa: SLF001

    def noting(self: BoundedConnection, command: bytes, *more: Any) -> Any:
        sent.append(command.split()[0])
        return exec_command(self, command, *more)

    monkeypatch.setattr(BoundedConnection, "_exec_command", noting)
    return sent


def status() -> TransactionStatus:
    return connection.connection.info.transaction_status


def test_a_new_job_needs_no_begin_of_its_own(commands: list[bytes]):
    submit([{"name": "another"}], by="user")
    assert b"BEGIN" not in commands


def test_a_change_of_status_needs_no_begin_of_its_own(job: Job, commands: list[bytes]):
    actions.change_status(job.pk, JobStatus.CANCELLED, by="user")
    assert b"BEGIN" not in commands


def test_other_transactions_have_one(job: Job, commands: list[bytes]):
    with transaction.atomic():
        Job.objects.update(priority=1)
    assert commands.count(b"BEGIN") == 1


def test_a_first_statement_that_fails_is_rolled_back(job: Job):
    events = Event.objects.count()
    with pytest.raises(IntegrityError):
        actions.create_job(id=job.pk, name="the same id", by="user")
    assert status() is TransactionStatus.IDLE
    assert Event.objects.count() == events

    actions.create_job(name="another", by="user")
    assert Job.objects.filter(name="another").exists()


def test_a_failure_in_a_savepoint_leaves_the_outer_transaction_open(job: Job):
    with transaction.atomic():
        actions.create_job(name="outer", by="user")
        with pytest.raises(IntegrityError), transaction.atomic():
            actions.create_job(id=job.pk, name="the same id", by="user")
        assert status() is TransactionStatus.INTRANS
    assert set(Job.objects.values_list("name", flat=True)) == {"a job", "outer"}


def test_the_next_statement_begins_if_the_first_was_never_sent(job: Job):
    with connection.cursor() as cursor, transaction.atomic():
        with pytest.raises(DatabaseError):
            connection.execute_first(cursor, "SELECT %s", [object()])
        assert status() is TransactionStatus.IDLE
        cursor.execute("SELECT 1")
        assert status() is TransactionStatus.INTRANS


def test_outside_a_transaction_nothing_begins(job: Job):
    with connection.cursor() as cursor:
        connection.execute_first(cursor, "SELECT %s", [1])
        assert cursor.fetchone() == (1,)
    assert status() is TransactionStatus.IDLE
