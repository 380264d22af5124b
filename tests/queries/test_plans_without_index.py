"""Plans as they would be without an index, which is not dropped."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection

from monitoring import index_catalog, plans
from monitoring.index_catalog import Index
from monitoring.index_usage import drop_proof, index_usage
from monitoring.plan_checks import HotQuery, examine, from_queryset
from monitoring.plans import schema_copy
from orchestrator.hot_queries import KEEP_REASONS
from orchestrator.models import Job
from tests.queries.cached_queries import every

Execute = Callable[[str], list[tuple[Any, ...]]]

pytestmark = pytest.mark.django_db


def existing(name: str) -> Index:
    return next(index for index in index_catalog.existing_indexes(connection) if index.name == name)


@pytest.fixture
def attempts(execute: Execute) -> HotQuery:
    """A query that is not declared, and an index that no other query needs."""
    execute("CREATE INDEX ix_jobs_attempts ON jobs (attempts, worker)")
    rows = Job.objects.order_by().filter(attempts=3)[:10]
    return HotQuery(
        name="jobs by attempts",
        caller="a test",
        table="jobs",
        statement=from_queryset(rows),
        index="ix_jobs_attempts",
    )


@pytest.mark.usefixtures("empty_tables")
def test_queries_that_need_an_index_are_reported_and_the_index_stays(execute: Execute) -> None:
    index = existing("ix_events_job_id_created_at")
    examined = examine(every(), without=index)
    lost = {one.query for one in examined if {*one.problems} - {f"{index.name} does not exist"}}
    assert {"events by job", "events by job, next page"} <= lost
    assert all(query.startswith("events by job") for query in lost)
    assert existing(index.name) == index


def test_an_alternative_index_is_used_instead() -> None:
    examined = {one.query: one for one in examine(every(), without=existing("ix_jobs_status"))}
    without = examined["jobs of a status, in any order"]
    assert without.problems == ("ix_jobs_status does not exist",)
    assert without.index in without.hot.alternatives


@pytest.mark.sqlite
def test_a_schema_copy_has_the_statistics_of_the_file(execute: Execute) -> None:
    execute("ANALYZE")
    execute("INSERT INTO sqlite_stat1 VALUES ('jobs', 'ix_jobs_priority', '1000000 10')")
    copy = schema_copy.schema_copy(connection, "ix_jobs_status", statistics=True)
    assert ("ix_jobs_priority", "1000000 10") in copy.execute("SELECT idx, stat FROM sqlite_stat1").fetchall()
    of_jobs = [query for query in every() if query.table == "jobs"]
    assert all(one.free for one in examine(of_jobs, without=existing("ix_jobs_status")))


def test_a_drop_proof_names_queries_that_would_lose_their_plan(attempts: HotQuery) -> None:
    index = existing("ix_jobs_attempts")
    safe, unsafe = drop_proof(index, every()), drop_proof(index, [*every(), attempts])
    assert safe is not None
    assert (safe.planned > 10, safe.losers) == (True, ())
    assert unsafe is not None
    assert unsafe.losers == ("jobs by attempts",)


def test_an_index_is_dropped_only_with_a_proof(attempts: HotQuery) -> None:
    examined = examine(every())

    def verdict(*queries: HotQuery) -> str:
        uses = index_usage(examined, reasons=KEEP_REASONS, queries=queries)
        return next(use.verdict for use in uses if use.index.name == "ix_jobs_attempts")

    assert verdict(*every()) == "drop"
    assert verdict(*every(), attempts) == "keep"


def test_no_proof_for_a_table_that_no_hot_query_reads() -> None:
    foreign = {
        use for use in index_usage(examine(every()), queries=every()) if use.index.table.startswith("auth_")
    }
    assert {(use.proof, use.can_be_dropped) for use in foreign} == {(None, False)}


def test_queries_that_were_not_examined_still_declare_an_index() -> None:
    ours = {use.index.name: use for use in index_usage((), queries=every())}
    assert "jobs by status" in ours["ix_jobs_status_created_at"].declared_by
    assert ours["ix_jobs_status_created_at"].verdict == "keep"


@pytest.mark.postgres
def test_planning_without_an_index_takes_no_locks_and_leaves_nothing(execute: Execute) -> None:
    locks = (
        "SELECT DISTINCT mode FROM pg_locks"
        " WHERE relation = 'public.jobs'::regclass AND pid = pg_backend_pid()"
    )
    with plans.reader(connection, existing("ix_jobs_status")):
        assert execute(locks) == [("AccessShareLock",)]
        assert execute("SELECT to_regclass('jobs') = to_regclass('public.jobs')") == [(False,)]
    assert execute("SELECT to_regclass('jobs') = to_regclass('public.jobs')") == [(True,)]


@pytest.mark.postgres
def test_a_read_only_database_proves_nothing(attempts: HotQuery, execute: Execute) -> None:
    index = existing("ix_jobs_attempts")
    execute("SET TRANSACTION READ ONLY")  # as on a replica
    assert drop_proof(index, [attempts]) is None
    uses = index_usage(examine(every()), queries=every())
    assert [(use.seems_unused, use.verdict) for use in uses if use.index == index] == [(True, "keep")]


@pytest.mark.postgres
@pytest.mark.parametrize("name", ["Odd name", 'a "quoted" one', "ix USING x"])
def test_names_are_quoted(execute: Execute, name: str) -> None:
    quoted = f'"{name.replace(chr(34), chr(34) * 2)}"'
    execute(f"CREATE TABLE {quoted} (id int PRIMARY KEY, a int)")
    execute(f"CREATE INDEX ix_odd ON {quoted} (a)")
    index = replace(existing("ix_odd"), table=name)
    with plans.reader(connection, index):
        assert execute(f"SELECT count(*) FROM {quoted}") == [(0,)]  # noqa: S608 - a name of ours
