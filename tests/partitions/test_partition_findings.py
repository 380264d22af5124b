"""The monitoring says when partitions will be missing, and what was not finished."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from monitoring.cache_report import CacheHealth
from monitoring.findings import Finding
from monitoring.report import database_report
from monitoring.report_data import DatabaseReport
from orchestrator import partitions
from orchestrator.models import Event
from orchestrator.partitions.partition_findings import partitions_of_events

Sql = Callable[..., list[tuple[Any, ...]]]


def found() -> dict[str, Finding]:
    findings = partitions_of_events(DatabaseReport(cache=CacheHealth("disabled")))
    return {finding.id: finding for finding in findings}


def missing_indexes() -> dict[str, Finding]:
    findings = database_report(plans=False).findings
    return {finding.id: finding for finding in findings if finding.id.startswith("index:missing:")}


@pytest.mark.django_db
def test_a_plain_table_has_no_finding() -> None:
    assert found() == {}


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
class TestPartitionedTable:
    def test_a_table_that_was_just_kept_has_no_finding(self, partitioned_database: None) -> None:
        assert found() == {}

    @pytest.mark.parametrize(("days", "level"), [(70, "warning"), (110, "critical")])
    def test_the_runway_ends(self, plain_database: None, days: int, level: str) -> None:
        until = partitions.run(timezone.now() - timedelta(days=days)).until
        assert until is not None
        finding = found()["partitions:runway"]
        assert (finding.level, finding.action) == (level, "python manage.py partition_events")
        assert finding.evidence["until"] == until.isoformat().replace("+00:00", ".000000Z")
        partitions.run()
        assert found() == {}

    def test_a_begun_conversion_forbids_newer_events(self, plain_database: None, sql: Sql) -> None:
        check = "CHECK (created_at < '2999-01-01') NOT VALID"
        sql(f"ALTER TABLE events ADD CONSTRAINT ck_events_first_partition {check}")
        assert found()["partitions:conversion"].evidence == {"until": "2999-01-01T00:00:00.000000Z"}

    def test_detached_partitions_wait_for_the_archive(self, plain_database: None, sql: Sql) -> None:
        long_ago = timezone.now() - timedelta(days=200)
        partitions.run(long_ago)
        Event.objects.create(type="old", created_at=long_ago)
        (name,) = partitions.run().waiting
        assert found()["partitions:waiting"].evidence == {"partitions": [name]}
        sql(f"COMMENT ON TABLE {name} IS 'a partition of events'")
        assert found()["partitions:unfinished"].evidence == {"partitions": [name]}

    def test_expired_partitions_were_not_detached(
        self, plain_database: None, settings: LazySettings, sql: Sql
    ) -> None:
        settings.PARTITION_EVENTS_BY = "week"
        for days in (120, 100, 0):
            partitions.run(timezone.now() - timedelta(days=days))
        assert found() == {}
        settings.EVENT_RETENTION_DAYS = 60
        Event.objects.create(type="old", created_at=timezone.now() - timedelta(days=70))
        assert len(found()["partitions:expired"].evidence["partitions"]) == 1
        partitions.run()
        assert found().keys() == {"partitions:waiting"}

    @pytest.mark.parametrize("index", ["ix_events_type", "ix_events_job_id_created_at"])
    def test_the_action_creates_a_missing_index_on_each_partition(
        self, partitioned_database: None, sql: Sql, index: str
    ) -> None:
        sql(f"DROP INDEX {index}")
        partitions.run(timezone.now() + timedelta(days=70))  # makes partitions beside the first ones
        finding = missing_indexes()[f"index:missing:{index}"]
        sql(finding.action.partition(";")[0])  # an operator who gave up
        for statement in finding.action.removesuffix(";").split(";"):
            sql(statement)
        assert missing_indexes() == {}
        assert sql("SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass", [index]) == [(True,)]
