"""A partition's way: expired, detached, archived, dropped, and restored."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection
from django.utils import timezone

from orchestrator import archive, background, counts, partitions
from orchestrator.models import Event

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

DAY = timedelta(days=1)


@pytest.fixture
def history(plain_database: None, settings: LazySettings, tmp_path: Path) -> None:
    """A table with partitions of a week, and an event for each of the last 250 days."""
    settings.ARCHIVE_DIR, settings.PARTITION_EVENTS_BY = tmp_path, "week"
    settings.EVENT_RETENTION_DAYS = 1000
    for days in (200, 180, 160, 140, 120, 100, 80, 60, 40, 20, 0):
        partitions.run(timezone.now() - days * DAY)
    settings.EVENT_RETENTION_DAYS, now = 90, timezone.now()
    Event.objects.bulk_create(
        Event(type="daily", payload={"days": days}, created_at=now - days * DAY) for days in range(250)
    )


def test_expired_partitions_are_archived_dropped_and_restored(history: None) -> None:
    before = list(Event.objects.order_by("id").values())
    detached = background.partition_events()
    assert detached is not None
    assert len(detached.detached) > 5
    left = Event.objects.count()
    assert counts.rows_of("events") == left < 100

    assert background.archive() == archive.ArchiveTotals(events=250 - left, jobs=0)
    assert Event.objects.count() == left  # the rest leaves with its partition

    dropped = background.partition_events()
    assert dropped is not None
    assert set(dropped.dropped) == set(detached.detached)
    assert partitions.detached() == ()

    for file in archive.files():
        archive.restore(file.name)
    assert list(Event.objects.order_by("id").values()) == before
    assert counts.rows_of("events") == 250


def test_a_plain_table_is_archived_row_by_row(
    plain_database: None, settings: LazySettings, tmp_path: Path
) -> None:
    settings.ARCHIVE_DIR = tmp_path
    Event.objects.create(type="old", created_at=timezone.now() - 91 * DAY)
    assert background.archive() == archive.ArchiveTotals(events=1, jobs=0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM events")
        assert cursor.fetchone() == (0,)
