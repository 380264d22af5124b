"""Reports on indexes: which are used, and which can be dropped."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from monitoring import table_statistics
from monitoring.index_usage import IndexUsage, index_usage
from monitoring.plan_checks import HotQuery, examine
from orchestrator.hot_queries import KEEP_REASONS
from tests.queries.cached_queries import every

Execute = Callable[[str], list[tuple[Any, ...]]]

pytestmark = pytest.mark.django_db


def uses(queries: tuple[HotQuery, ...] = ()) -> dict[str, IndexUsage]:
    """Return the usage of each index by the queries, by name."""
    queries = queries or every()
    jobs = table_statistics.measure(connection, ["jobs"], {})
    usages = index_usage(examine(queries), jobs, reasons=KEEP_REASONS, queries=queries)
    return {use.index.name: use for use in usages}


@pytest.mark.usefixtures("rows")
@pytest.mark.slow
def test_every_index_is_used_or_has_a_reason_to_stay() -> None:
    ours = {
        name: use for name, use in uses(every()).items() if name.startswith("ix_") and not use.index.primary
    }
    assert {name for name, use in ours.items() if use.verdict not in ("keep", "known")} == set()
    assert {name for name, use in ours.items() if use.verdict == "known"} == KEEP_REASONS.keys()
    assert "ix_jobs_status_created_at" in ours["ix_jobs_status"].prefix_of
    assert "jobs by status" in ours["ix_jobs_status_created_at"].declared_by
    assert "jobs by status" in ours["ix_jobs_status_created_at"].serves


def test_an_index_that_serves_nothing_can_be_dropped(execute: Execute) -> None:
    execute("CREATE INDEX ix_jobs_attempts ON jobs (attempts, max_attempts)")
    use = uses()["ix_jobs_attempts"]
    assert (use.verdict, use.declared_by, use.serves) == ("drop", (), ())
    assert use.declared_in is None


def test_an_index_names_the_model_that_declares_it() -> None:
    assert uses()["ix_jobs_status"].declared_in == "orchestrator.Job"


@pytest.mark.postgres
def test_usage_statistics_of_postgresql_are_reported(execute: Execute) -> None:
    shown = uses()["ix_jobs_status"].as_json()
    assert shown["scans"] is not None
    assert shown["bytes"]


@pytest.mark.sqlite
def test_missing_statistics_of_sqlite_are_none() -> None:
    shown = uses()["ix_jobs_status"].as_json()
    assert shown["scans"] is shown["last_used"] is None
    assert shown["bytes"]


@pytest.mark.postgres
def test_an_invalid_index_should_be_rebuilt(execute: Execute) -> None:
    execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_jobs_name_created_at'::regclass")
    assert uses()["ix_jobs_name_created_at"].verdict == "rebuild"
