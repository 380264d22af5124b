"""Free space on the database's disk, and when it will be full."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from monitoring import disk_space
from monitoring.engines import postgresql
from monitoring.table_statistics import TableFigures

pytestmark = pytest.mark.django_db

GIB = 1024**3


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


class TestDisk:
    def test_free_space_and_days_are_measured(self):
        now = timezone.now()
        grown = TableFigures(name="jobs", bytes_per_day=2.0 * GIB, growth_since=now - timedelta(days=3))
        found = disk_space.measure(connection, [grown, TableFigures(name="tasks")])
        assert found.free_bytes is not None
        assert found.total_bytes is not None
        assert 0 < found.free_bytes < found.total_bytes
        assert found.days_left == round(found.free_bytes / (2.0 * GIB), 1)
        assert (found.measured_over_days, found.reason) == (3.0, None)

    def test_without_growth_there_are_no_days(self):
        found = disk_space.measure(connection, [TableFigures(name="jobs")])
        assert found.free_bytes is not None
        assert (found.days_left, found.bytes_per_day) == (None, None)
        assert found.reason is not None

    @pytest.mark.postgres
    def test_a_role_without_the_right_gets_the_grant_it_needs(self):
        execute("CREATE ROLE small_rights", "SET LOCAL ROLE small_rights")
        found = disk_space.measure(connection, [])
        assert found.free_bytes is None
        assert found.reason is not None
        assert found.reason.endswith('GRANT pg_read_all_settings TO "small_rights";')

    @pytest.mark.postgres
    @pytest.mark.parametrize("process", [1, 2**22 + 1], ids=["another program", "another machine"])
    def test_a_server_elsewhere_is_recognized(self, process: int):
        assert not postgresql.is_served_here(process, "kyros kyros")
