"""Every hot query is served by its index, and dropping any index breaks a query."""

from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest
from django.db import connection, transaction
from django.urls import get_resolver

from monitoring import index_catalog
from monitoring.plan_checks import HotQuery, examine
from monitoring.plans import PRIMARY_KEY, postgresql
from orchestrator.api.views.base import ResourceViewSet
from orchestrator.hot_queries import KEEP_REASONS, hot_queries, query_plans
from orchestrator.listing import ListDefinition, access_path
from orchestrator.lists import JOB_HISTORY, LISTS
from orchestrator.models import Event, Job, Task, User
from tests.queries.cached_queries import every

INDEXES = sorted(index.name for model in (Job, Event, Task, User) for index in model._meta.indexes)
#: The index of the outbox, which has no model, by engine.
OUTBOX_INDEX = {
    "postgresql": "ix_cache_outbox_transaction",
    "sqlite": "ix_cache_outbox_tags",
}

Problems = dict[str, tuple[str, ...]]
Execute = Callable[[str], list[tuple[Any, ...]]]


def wrong(queries: tuple[HotQuery, ...]) -> Problems:
    """Return the problems of the queries that are not as declared, by name."""
    return {one.query: one.problems for one in examine(queries) if not one.ok}


@pytest.mark.usefixtures("empty_tables")
@pytest.mark.slow
def test_every_hot_query_is_served_on_empty_tables() -> None:
    assert wrong(every()) == {}


@pytest.mark.usefixtures("rows")
@pytest.mark.slow
def test_every_hot_query_is_served_in_time_on_tables_with_rows() -> None:
    examined = examine(every(), analyze=True)
    assert {one.query: one.problems for one in examined if not one.ok} == {}
    assert all(one.plan.rows is not None and one.plan.ms is not None for one in examined if one.plan)
    assert sum(one.plan.rows or 0 for one in examined if one.plan) > 1000


@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.usefixtures("empty_tables")
def test_dropping_an_index_breaks_its_queries(execute: Execute, index: str) -> None:
    declared = [query for query in every() if query.index == index]
    # Drop the table's other indexes, so that none of them can replace it.
    for other in index_catalog.existing_indexes(connection):
        if other.table == declared[0].table and not other.unique and other.name != index:
            execute(f"DROP INDEX {other.name}")
    served = [one.hot for one in examine(declared) if one.ok and one.plan and index in one.plan.indexes]
    assert served

    execute(f"DROP INDEX {index}")

    gone = f"{index} does not exist"
    assert all(gone in one.problems for one in examine(declared))
    assert [one for one in examine(served) if not {*one.problems} - {gone}] == []


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("many_rows")
@pytest.mark.slow
def test_planner_uses_the_declared_index_on_large_tables_until_it_is_dropped(
    execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    examined = examine(every())
    assert {one.query: one.problems for one in examined if not one.ok} == {}
    assert all(one.free for one in examined if one.hot.table != "cache_outbox")

    monkeypatch.setattr(postgresql, "FEW_ROWS", 0)  # for so few rows another plan is as good
    now = wrong(every())
    lost = {index: lost_without(index, execute, now) for index in INDEXES}
    assert {index for index, queries in lost.items() if not queries} <= KEEP_REASONS.keys(), lost
    for index, queries in lost.items():
        print(f"{index}: {', '.join(queries) or KEEP_REASONS.get(index, 'another index can replace it')}")  # noqa: T201 - shown with -rP


def lost_without(index: str, execute: Execute, now: Problems) -> list[str]:
    """Return the hot queries whose plan is different when an index does not exist."""
    (table,) = {query.table for query in every() if query.index == index}
    with transaction.atomic():
        execute(f"DROP INDEX {index}")
        problems = wrong(tuple(query for query in every() if query.table == table))
        transaction.set_rollback(True)
    known = {f"{index} does not exist"}
    return [query for query, found in problems.items() if {*found} - known - {*now.get(query, ())}]


@pytest.mark.django_db
def test_dropping_the_index_of_the_outbox_is_a_problem(execute: Execute) -> None:
    index = OUTBOX_INDEX[connection.vendor]
    execute(f"DROP INDEX {index}")
    assert f"{index} does not exist" in chain.from_iterable(wrong(every()).values())


@pytest.mark.postgres
@pytest.mark.django_db
def test_an_invalid_index_is_a_problem(execute: Execute) -> None:
    execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_events_job_id_created_at'::regclass"
    )
    found = {name for name, problems in wrong(every()).items() if any("is invalid" in p for p in problems)}
    assert found == {
        f"events by {filters}{page}"
        for filters in ("job", "job, ordering=created_at", "job and created_at")
        for page in ("", ", next page")
    } | {
        "events by job and created_at, ordering=created_at",
        "events by job and created_at, ordering=created_at, next page",
    }


@pytest.mark.engine_neutral
@pytest.mark.parametrize("definition", LISTS, ids=range(len(LISTS)))
def test_every_list_in_every_order_reads_a_declared_index(definition: ListDefinition) -> None:
    declared = {(query.table, query.index, query.conditions) for query in hot_queries()}
    for names in definition.combinations(definition.filters):
        for order in definition.orders_with(names, definition.console_orders):
            path = access_path(definition, names, order)
            columns = tuple(definition.by_name[name].column for name in path.served)
            is_of_one_row = path.index in (PRIMARY_KEY, "ix_users_email")
            assert is_of_one_row or (definition.name, path.index, columns) in declared, (names, order)


@pytest.mark.engine_neutral
def test_every_list_of_the_api_is_declared() -> None:
    views = {
        getattr(pattern.callback, "cls", None)
        for resolver in get_resolver().url_patterns
        for pattern in chain([resolver], *(level.url_patterns for level in levels(resolver)))
        if hasattr(pattern, "callback")
    }
    lists = {view.list_definition for view in views if view and issubclass(view, ResourceViewSet)}
    assert lists == {definition for definition in LISTS if definition is not JOB_HISTORY}


def levels(resolver: object) -> list[object]:
    """Return a resolver and the nested ones."""
    nested = [level for level in getattr(resolver, "url_patterns", ()) if hasattr(level, "url_patterns")]
    own = [resolver] if hasattr(resolver, "url_patterns") else []
    return [*own, *chain.from_iterable(levels(level) for level in nested)]


@pytest.mark.usefixtures("rows")
def test_monitoring_page_shows_one_query_of_each_index(monkeypatch: pytest.MonkeyPatch) -> None:
    # Other tests may slow this machine down.
    monkeypatch.setattr("orchestrator.hot_queries._PAGE_SECONDS", 60)
    plans = query_plans()
    assert all(plan.ok for plan in plans)
    assert {plan.hot.index for plan in plans} >= {*INDEXES, PRIMARY_KEY}
    jobs_by_status = next(plan for plan in plans if plan.query == "jobs by status")
    assert jobs_by_status.index == jobs_by_status.expected == "ix_jobs_status_created_at"
    assert jobs_by_status.ms is not None


@pytest.mark.django_db
def test_a_query_not_reached_in_time_is_a_problem() -> None:
    examined = examine(every(), seconds=0)
    assert {one.problems for one in examined} == {("not examined: out of time",)}
    assert not any(one.ok or one.plan or one.index or one.ms for one in examined)
