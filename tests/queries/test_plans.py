"""Query plans of both engines are read into the same value."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connection

from monitoring.plans import PRIMARY_KEY, Plan, Reading, Sort, Statement, reader

pytestmark = pytest.mark.django_db

Execute = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(autouse=True)
def things(execute: Execute) -> None:
    """A table of 20,000 rows with two indexes and statistics."""
    numbers = {
        "postgresql": "generate_series(1, 20000) AS number(value)",
        "sqlite": "(WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT 20000)"
        " SELECT value FROM n) AS number",
    }[connection.vendor]
    execute("CREATE TABLE things (id varchar(9) PRIMARY KEY, kind integer, size integer, note text)")
    execute(f"INSERT INTO things SELECT value, value % 100, value % 7, 'x' FROM {numbers}")  # noqa: S608
    execute("CREATE INDEX ix_things_kind_size ON things (kind, size)")
    execute("CREATE INDEX ix_things_size ON things (size)")
    execute("ANALYZE things")


def plan_of(sql: str, *parameters: object, **reading: Any) -> Plan:
    with reader(connection) as read:
        return read(Statement(sql, parameters), Reading(**reading))


def test_a_search_by_two_columns() -> None:
    plan = plan_of("SELECT note FROM things WHERE kind = %s AND size > %s", 3, 2)
    assert plan.indexes == ("ix_things_kind_size",)
    assert plan.conditions == ("kind", "size")
    assert (plan.full_scan, plan.sort, plan.uses_disabled_node) == (False, Sort.NONE, False)
    assert plan.ms is not None
    assert plan.rows is plan.buffers is None


def test_a_full_table_scan() -> None:
    plan = plan_of("SELECT * FROM things WHERE note = %s", "y")
    assert (plan.indexes, plan.conditions, plan.full_scan) == ((), (), True)


def test_a_full_index_scan_is_a_full_scan() -> None:
    plan = plan_of("SELECT kind, size FROM things ORDER BY kind, size")
    assert (plan.indexes, plan.conditions, plan.full_scan) == (("ix_things_kind_size",), (), True)
    assert plan.sort is Sort.NONE


def test_the_primary_key_has_one_name() -> None:
    plan = plan_of("SELECT * FROM things WHERE id = %s", "77", analyze=True)
    assert (plan.indexes, plan.conditions) == ((PRIMARY_KEY,), ("id",))
    assert plan.rows == 1
    assert (plan.buffers is None) == (connection.vendor == "sqlite")


def test_sorts_of_ties_and_full_sorts_are_distinguished() -> None:
    ties = plan_of("SELECT * FROM things WHERE kind = 3 ORDER BY size, id LIMIT 10")
    assert (ties.indexes, ties.sort) == (("ix_things_kind_size",), Sort.TIES)
    assert plan_of("SELECT * FROM things ORDER BY note LIMIT 10").sort is Sort.FULL


@pytest.mark.postgres
def test_sorts_of_few_rows_and_full_sorts_are_distinguished() -> None:
    assert plan_of("SELECT * FROM things WHERE id < '11' ORDER BY note").sort is Sort.FULL
    assert plan_of("SELECT * FROM things WHERE kind = 3 ORDER BY note").sort is Sort.FEW
    partly = "SELECT * FROM things WHERE kind = 3 ORDER BY size, note, id LIMIT 10"
    assert plan_of(partly).sort is Sort.FEW  # the index gives the order by size


def test_two_indexes_at_once() -> None:
    plan = plan_of("SELECT * FROM things WHERE id = '5' OR (kind = 3 AND size = 2)")
    assert set(plan.indexes) == {PRIMARY_KEY, "ix_things_kind_size"}
    assert not plan.full_scan


def test_indexes_of_subqueries_are_ignored() -> None:
    plan = plan_of("SELECT * FROM things WHERE id = (SELECT max(note) FROM things WHERE size = 3)")
    assert plan.indexes == (PRIMARY_KEY,)


def test_literals_are_not_read_as_conditions() -> None:
    plan = plan_of("SELECT * FROM things WHERE id = %s", "it's kind and size")
    assert plan.conditions == ("id",)


def test_a_dropped_index_is_noticed_immediately(execute: Execute) -> None:
    query = "SELECT note FROM things WHERE kind = %s AND size > %s"
    assert plan_of(query, 3, 2).indexes == ("ix_things_kind_size",)
    execute("DROP INDEX ix_things_kind_size")
    assert plan_of(query, 3, 2).indexes != ("ix_things_kind_size",)


def test_a_small_table_shows_whether_its_index_can_serve(execute: Execute) -> None:
    execute("DELETE FROM things WHERE id > '1'")
    execute("ANALYZE things")
    query = "SELECT * FROM things WHERE kind = 3"
    penalized = plan_of(query, penalized=True)
    assert (penalized.indexes, penalized.uses_disabled_node) == (("ix_things_kind_size",), False)
    without = plan_of("SELECT * FROM things WHERE note = 'x'", penalized=True)
    assert not without.indexes
    assert without.uses_disabled_node == (connection.vendor == "postgresql")


@pytest.mark.postgres
def test_a_partitions_index_has_the_name_of_its_parent(execute: Execute) -> None:
    execute("CREATE TABLE parts (id bigint, day date) PARTITION BY RANGE (day)")
    execute("CREATE INDEX ix_parts_day ON parts (day)")
    execute("CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')")
    execute("CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')")
    plan = plan_of("SELECT * FROM parts WHERE day > '2026-01-05'", penalized=True)
    assert (plan.indexes, plan.conditions) == (("ix_parts_day",), ("day",))


@pytest.mark.postgres
def test_session_settings_are_restored(execute: Execute) -> None:
    names = ("enable_seqscan", "enable_sort", "statement_timeout", "jit")
    before = [execute(f"SHOW {name}") for name in names]
    plan_of("SELECT * FROM things", penalized=True, analyze=True)
    assert [execute(f"SHOW {name}") for name in names] == before


SLOW = {
    "postgresql": "SELECT pg_sleep(60)",
    "sqlite": "WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n) SELECT max(v) FROM n",
}


def test_a_query_that_takes_too_long_is_cancelled(execute: Execute) -> None:
    with pytest.raises(OperationalError):
        plan_of(SLOW[connection.vendor], analyze=True, seconds=0.2)
    assert execute("SELECT 1") == [(1,)]


def test_one_reader_reads_many_independent_plans() -> None:
    whole = Statement("SELECT * FROM things WHERE note = %s", ["y"])
    penalized, invalid = Reading(penalized=True), Statement("SELECT nothing FROM things")
    with reader(connection) as plan:
        if connection.vendor == "postgresql":
            assert plan(whole, penalized).uses_disabled_node
        assert not plan(whole, Reading()).uses_disabled_node
        with pytest.raises(DatabaseError):
            plan(invalid, penalized)
        by_key = plan(Statement("SELECT * FROM things WHERE id = %s", ["77"]), Reading())
        assert by_key.indexes == (PRIMARY_KEY,)
        assert not plan(whole, Reading()).uses_disabled_node
