"""What is left of the disk, and of the partitions of whatever table an operator has."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from monitoring import disk, partitions, rules
from monitoring.cache_report import no_cache
from monitoring.engines import postgresql
from monitoring.partitions import Partitioned
from monitoring.report import DatabaseReport
from monitoring.tables import Growth, TableFigures

pytestmark = pytest.mark.django_db

GIB = 1024**3


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


class TestDisk:
    def test_its_room_and_its_days_are_told(self):
        now = timezone.now()
        growth = Growth(1.0, 2.0 * GIB, now - timedelta(days=3))
        told = disk.measure(connection, [TableFigures("jobs", growth=growth), TableFigures("tasks")])
        assert told.free_bytes is not None
        assert told.total_bytes is not None
        assert 0 < told.free_bytes < told.total_bytes
        assert told.days == round(told.free_bytes / (2.0 * GIB), 1)
        assert (told.grown_for, told.reason) == (3.0, None)

    def test_without_a_rate_there_are_no_days(self):
        told = disk.measure(connection, [TableFigures("jobs")])
        assert told.free_bytes is not None
        assert (told.days, told.bytes_a_day) == (None, None)
        assert told.reason is not None

    @pytest.mark.postgres
    def test_a_role_that_may_not_see_the_folder_is_told_what_to_grant(self):
        execute("CREATE ROLE small_rights", "SET LOCAL ROLE small_rights")
        told = disk.measure(connection, [])
        assert told.free_bytes is None
        assert told.reason is not None
        assert told.reason.endswith('GRANT pg_read_all_settings TO "small_rights";')

    @pytest.mark.postgres
    @pytest.mark.parametrize("process", [1, 2**22 + 1], ids=["another program", "another machine"])
    def test_a_server_elsewhere_is_not_mistaken_for_one_here(self, process: int):
        assert not postgresql.is_served_here(process, "kyros kyros")


#: Now, where a test looks at partitions by day: far from the day's ends.
NOON = datetime(2026, 7, 14, 12, tzinfo=UTC)


def parted(key: str, *ranges: tuple[str, str], default: bool = False) -> Partitioned:
    """Make the table ``parts``, and return what is told of it."""
    execute(f"CREATE TABLE parts (id bigint, at {key}) PARTITION BY RANGE (at)")
    for number, (start, stop) in enumerate(ranges):
        execute(f"CREATE TABLE parts_{number} PARTITION OF parts FOR VALUES FROM ({start}) TO ({stop})")
    if default:
        execute("CREATE TABLE parts_default PARTITION OF parts DEFAULT")
    return told()


def told(now: datetime = NOON) -> Partitioned:
    found = {table.table: table for table in partitions.measure(connection, now) or ()}
    return found["parts"]


def day(number: int) -> str:
    """Return a day, counted from that of ``NOON``, as SQL."""
    return f"'{NOON + timedelta(days=number):%Y-%m-%d}'"


def midnight(number: int) -> datetime:
    return datetime.combine(NOON.date() + timedelta(days=number), datetime.min.time(), UTC)


@pytest.mark.postgres
class TestPartitions:
    @pytest.mark.parametrize("key", ["date", "timestamp", "timestamptz"])
    def test_the_days_until_the_newest_ends(self, key: str):
        table = parted(key, (day(-1), day(1)), (day(1), day(3)))
        assert (table.partitions, table.key, table.has_default) == (2, "at", False)
        assert table.ends_at == midnight(3)
        assert table.days is not None
        assert 2 <= table.days <= 3

    @pytest.mark.parametrize(
        ("ranges", "end"),
        [
            ([(-1, 1), (2, 9)], 1),
            ([(-9, -4), (-4, -1)], None),
            ([(3, 9)], None),
            ([], None),
        ],
        ids=["a gap tomorrow", "ended yesterday", "begins later", "none at all"],
    )
    def test_the_partition_that_is_missing_is_made_by_its_sql(
        self, ranges: list[tuple[int, int]], end: int | None
    ):
        table = parted("date", *((day(start), day(stop)) for start, stop in ranges))
        assert table.ends_at == (None if end is None else midnight(end))
        assert (table.days == 0) is (end is None)

        execute(table.sql.removesuffix(";"))

        after = told()
        assert after.ends_at is not None
        assert after.ends_at > midnight(end or 0)

    def test_months_are_followed_by_months(self):
        parted("timestamptz", ("'2026-01-01'", "'2026-02-01'"), ("'2040-12-01'", "'2041-01-01'"))
        assert told(datetime(2026, 1, 31, tzinfo=UTC)).sql == (
            'CREATE TABLE public."parts_20260201" PARTITION OF parts '
            "FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00');"
        )

    @pytest.mark.parametrize(
        ("key", "stop", "reason"),
        [
            ("bigint", "1000", "its key is not a moment"),
            ("date", "MAXVALUE", "its newest partition has no end"),
        ],
    )
    def test_what_cannot_be_told_has_its_reason(self, key: str, stop: str, reason: str):
        table = parted(key, ("MINVALUE", stop))
        assert (table.days, table.ends_at, table.reason) == (None, None, reason)

    def test_a_default_partition_is_none_of_the_ranges(self):
        table = parted("date", (day(-1), day(1)), default=True)
        assert (table.partitions, table.has_default) == (1, True)

    def test_what_a_range_above_bounds_is_left_out(self):
        execute(
            "CREATE TABLE above (tenant int, at date) PARTITION BY LIST (tenant)",
            'CREATE TABLE "Parts 7" PARTITION OF above FOR VALUES IN (7) PARTITION BY RANGE (at)',
            "CREATE TABLE months (at date) PARTITION BY RANGE (at)",
            f"CREATE TABLE month PARTITION OF months FOR VALUES FROM ({day(-9)}) TO ({day(9)})"
            " PARTITION BY RANGE (at)",
        )
        tables = partitions.measure(connection, timezone.now()) or ()
        assert {table.table for table in tables} == {'"Parts 7"', "months"}

    def test_a_finding_goes_when_its_sql_was_run(self):
        table = parted("timestamptz", (day(-1), day(1)))
        for _ in range(9):
            report = DatabaseReport(cache=no_cache(), partitioned=(table,))
            findings = {each.id: each for each in rules.findings(report)}
            if "partitions:runway:parts" not in findings:
                break
            execute(findings["partitions:runway:parts"].action.removesuffix(";"))
            table = told()
        assert table.days is not None
        assert table.days > 7


@pytest.mark.sqlite
def test_sqlite_has_no_partitions():
    assert partitions.measure(connection, timezone.now()) is None
