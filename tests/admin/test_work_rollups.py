"""Rollups of work: each event counts once, by minute, queue and worker, however often they are updated."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from orchestrator.choices import JobEvent
from orchestrator.console import rollups, work_rollups
from orchestrator.console.models import WorkRollup
from orchestrator.console.work_rollups import WorkCounts
from orchestrator.models import Event

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 12, 30, 30, tzinfo=UTC)


def happened(kind, minutes_ago=5, number=1, *, job_id=None, **payload):
    at = NOW - timedelta(minutes=minutes_ago)
    job_ids = [job_id or uuid4() for _ in range(number)]
    Event.objects.bulk_create(
        Event(type=kind, created_at=at, job_id=each, payload={"job_id": str(each), **payload})
        for each in job_ids
    )


def last_hour(now=NOW):
    return work_rollups.work_since(now - timedelta(hours=1), now, rollups.first_unstored(now))


def work_of_two_workers():
    for worker, number in (("a", 1), ("b", 2)):
        happened(JobEvent.STARTED, 7, 5 * number, queue="mail", worker=worker)
        happened(JobEvent.COMPLETED, 6, 2 * number, queue="mail", worker=worker)
        happened(JobEvent.FAILED, 5, number, queue="mail", worker=worker, by="ada")
    happened(JobEvent.STARTED, 0, 4, queue="reports", worker="a")


EXPECTED = {
    ("mail", "a"): WorkCounts(5, 2, 1),
    ("mail", "b"): WorkCounts(10, 4, 2),
    ("reports", "a"): WorkCounts(4),
}


def test_work_is_the_same_before_and_after_the_rollup():
    work_of_two_workers()
    assert last_hour() == EXPECTED
    for _ in range(2):
        rollups.update_rollups(NOW)
        assert last_hour() == EXPECTED
    Event.objects.filter(created_at__lt=NOW - timedelta(minutes=2)).delete()  # as the archive does
    assert last_hour() == EXPECTED


def test_a_lease_that_ran_out_is_counted_and_a_job_that_was_given_back_is_not():
    happened(JobEvent.REQUEUED, queue="mail", worker="a", by="system")
    happened(JobEvent.FAILED, queue="mail", worker="a", by="system")
    happened(JobEvent.REQUEUED, queue="mail", worker="a", by="ada")
    assert last_hour() == {("mail", "a"): WorkCounts(failed=1, expired=2)}


@pytest.mark.parametrize("reason", ["\x1b[31mred", "\x1f", r"no file C:\app\utils.py", r"\u0000", "\\\x01"])
def test_a_reason_with_control_characters_or_backslashes_counts(reason):
    happened(JobEvent.FAILED, queue="mail", worker="a", reason=reason)
    assert last_hour() == {("mail", "a"): WorkCounts(failed=1)}


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"queue": None, "worker": None},
        {"queue": "", "worker": "a\x00b"},
        {"worker": None, "reason": "\x00"},
        {"worker": None, "reason": "\\\x00"},
    ],
)
def test_events_without_queue_and_worker_count_together(payload, engine):
    happened(JobEvent.COMPLETED, **payload)
    ((_, counts),) = last_hour().items()
    assert counts == WorkCounts(completed=1)


def test_an_event_that_a_client_reports_does_not_count():
    Event.objects.create(type="job_completed", created_at=NOW, payload={"queue": "mail", "worker": "a"})
    assert last_hour() == {}


def test_one_minute_has_a_bounded_number_of_rows_and_loses_no_event(monkeypatch):
    monkeypatch.setattr(work_rollups, "MAX_QUEUES", 2)
    monkeypatch.setattr(work_rollups, "MAX_WORKERS", 3)
    for queue, worker, number in (
        ("q1", "a", 9),
        ("q1", "b", 8),
        ("q2", "a", 7),
        ("q2", "c", 6),
        ("q3", "a", 5),
    ):
        happened(JobEvent.COMPLETED, 5, number, queue=queue, worker=worker)
    rollups.update_rollups(NOW)
    assert {pair: counts.completed for pair, counts in last_hour().items()} == {
        ("q1", "a"): 9,
        ("q1", "b"): 8,
        ("q2", "a"): 7,
        ("q2", ""): 6,
        ("", ""): 5,
    }


def test_old_minutes_are_folded_into_a_sum_that_never_decreases(monkeypatch):
    work_of_two_workers()
    rollups.update_rollups(NOW)
    stored = work_rollups.work_ever()
    assert stored == WorkCounts(15, 6, 3)
    for hours in (2, 3, 30, 31):
        later = NOW + timedelta(hours=hours)
        happened(JobEvent.COMPLETED, -60 * hours + 2, worker="a", queue="mail")
        for minutes in range(3):
            rollups.update_rollups(later + timedelta(minutes=minutes))
        assert work_rollups.work_ever().completed > stored.completed
        stored = work_rollups.work_ever()
    # The minutes of a gap of more than an hour are not counted: in the first of them four jobs were started.
    assert stored == WorkCounts(15, 6 + 4, 3)
    assert WorkRollup.objects.count() <= 3
