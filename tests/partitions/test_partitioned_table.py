"""What holds for the plain table holds for the partitioned one: tests of other folders, run on partitions.

The events that these tests write lie in several partitions of a week.
"""

# ruff: noqa: F401 - imported tests and fixtures are found by their names

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from monitoring.table_statistics import measure
from orchestrator import counts, partitions
from orchestrator.models import Event
from tests.api.test_events import (
    test_a_client_cannot_add_to_the_history_of_a_job,
    test_an_event_is_recorded_and_read,
    test_recent_events_are_of_the_last_hour_newest_first_at_most_100,
)
from tests.api.test_lists import test_events_are_filtered
from tests.cache.conftest import collecting
from tests.cache.test_tags import (
    test_each_table_has_its_triggers_after_all_migrations,
    test_the_triggers_and_the_module_agree_on_events,
)
from tests.counts.test_triggers import test_every_trigger_exists_after_all_migrations
from tests.partitions.conftest import copied_database
from tests.queries.conftest import empty_tables, execute, rows
from tests.queries.test_hot_queries import (
    test_every_hot_query_is_served_in_time_on_tables_with_rows,
    test_every_hot_query_is_served_on_empty_tables,
    test_monitoring_page_shows_one_query_of_each_index,
)
from tests.queries.test_index_usage import (
    test_every_index_is_used_or_has_a_reason_to_stay,
    test_usage_statistics_of_postgresql_are_reported,
)
from tests.stream.conftest import connect, follow, stream
from tests.stream.test_following import test_each_new_event_arrives_once_and_as_the_api_shows_it
from tests.stream.test_positions import (
    small_pages,
    test_a_long_transaction_holds_up_nobody_and_is_not_skipped,
    test_rows_of_another_server_are_not_delivered,
    test_the_events_of_a_transaction_come_in_their_order,
    test_the_id_of_an_event_is_a_position_too,
)

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]

WEEK = timedelta(days=7)


@pytest.fixture(scope="module", autouse=True)
def _partitioned(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let this module use a partitioned copy of the database."""
    with pytest.MonkeyPatch.context() as patch, copied_database(django_db_blocker):
        patch.setattr("django.conf.settings.PARTITION_EVENTS_BY", "week")
        for ago in (8 * WEEK, 4 * WEEK, 0 * WEEK):
            partitions.run(timezone.now() - ago)
        yield


@pytest.fixture
def old_events(db: None) -> list[Event]:
    """Events of the last eight weeks, the newest first."""
    now = timezone.now()
    return Event.objects.bulk_create(
        Event(type="old", payload={"days": days}, created_at=now - timedelta(days=days)) for days in range(50)
    )


def test_pages_walk_through_all_partitions(old_events: list[Event], as_user) -> None:
    url, found = "/api/v1/events/?limit=7&type=old", list[str]()
    while url:
        page = as_user.get(url).json()
        found += [event["id"] for event in page["results"]]
        url = page["next"]
    assert found == [str(event.pk) for event in old_events]


def test_figures_of_the_partitions_are_added(old_events: list[Event]) -> None:
    (table,) = measure(connection, ["events"], counts.rows_by_table())
    assert (table.row_count, table.exact) == (50, True)
    assert (table.partitions or 0) > 8
    assert (table.table_bytes or 0) > 8192 * 5
    names = {index.name for index in Event._meta.indexes} | {"ix_events_transaction", "events_pkey"}
    assert {index.name for index in table.indexes} == names


def test_a_truncate_of_the_table_empties_all_partitions(old_events: list[Event]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE events")
    assert counts.rows_of("events") == Event.objects.count() == 0
