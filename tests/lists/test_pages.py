"""Every list, by combinations of its filters, in every order: pages show each matching row once, in order.

The reference is plain Python over all rows. A filter that is added to a list is tested here without a further
line.
"""

from datetime import UTC, datetime, timedelta
from itertools import cycle
from random import Random
from typing import Any
from uuid import UUID

import pytest

from orchestrator.api.serializers import EventSerializer, JobSerializer, TaskSerializer, UserSerializer
from orchestrator.api.views.base import shown_fields
from orchestrator.choices import JobStatus, Role
from orchestrator.json_codec import from_json
from orchestrator.listing import (
    Cursor,
    ListDefinition,
    Order,
    Period,
    Prefix,
    Range,
    Selection,
    bounded_scan,
)
from orchestrator.listing.page import first_page_sql
from orchestrator.lists import LISTS
from orchestrator.models import Event, Job, Task, User

pytestmark = pytest.mark.django_db

SERIALIZERS = {Job: JobSerializer, Event: EventSerializer, Task: TaskSerializer, User: UserSerializer}
START = datetime(2026, 11, 23, 9, tzinfo=UTC)
TEXTS = ("a", "A", "ab", "é", "\U0001f680", "\uffee", "Z", "日本", "a%", "a_")
NUMBER = 40
#: Rows of a bounded scan: a few pages of them.
SCAN = 11


def some_row(model: type[Any], random: Random, number: int) -> Any:
    """Return a row with values that others have, too."""
    values = {
        "created_at": a_time(random),
        "started_at": a_time(random),
        "completed_at": random.choice((None, a_time(random))),
        "name": random.choice(TEXTS),
        "title": random.choice(TEXTS),
        "username": f"{random.choice(TEXTS)}{number}",
        "email": f"{number}@example.org",
        "status": random.choice((JobStatus.PENDING, JobStatus.RUNNING)),
        "priority": random.choice((-1, 0, 7)),
        "queue": random.choice(("default", "reports")),
        "worker": random.choice((None, "w1", "w2")),
        "type": random.choice(("x", "y")),
        "job_id": random.choice((None, UUID(int=1), UUID(int=2))),
        "role": random.choice(Role.values),
        "active": random.choice((True, False)),
    }
    names = {field.name for field in model._meta.concrete_fields}
    return model(**{name: value for name, value in values.items() if name in names})


def a_time(random: Random) -> datetime:
    return START + random.choice((0, 1, 2, 3)) * timedelta(milliseconds=500)


def stored_rows(definition: ListDefinition, random: Random) -> list[Any]:
    model: Any = definition.model
    model.objects.bulk_create(some_row(model, random, number) for number in range(NUMBER))
    return list(model.objects.all())


def combinations_of(definition: ListDefinition) -> list[tuple[str, ...]]:
    """Return the combinations of up to two filters, and those to which no filter can be added."""
    served = list(definition.combinations(definition.filters))
    return [
        names for names in served if len(names) <= 2 or not any(set(names) < set(other) for other in served)
    ]


def some_conditions(
    definition: ListDefinition, names: tuple[str, ...], rows: list[Any], random: Random
) -> dict[str, Any]:
    """Return values of filters, each of which some row has."""
    return {name: some_value(definition.by_name[name], random.choice(rows), random) for name in names}


def some_value(filter_: Any, row: Any, random: Random) -> Any:
    if isinstance(filter_, Range):
        after, before = sorted((a_time(random), a_time(random)))
        return random.choice((Period(after, before), Period(after), Period(None, before)))
    value = getattr(row, filter_.column)
    if isinstance(filter_, Prefix):
        return value[: random.choice((1, 2))]
    return filter_.sample_value if value is None else value


def passes(definition: ListDefinition, row: Any, conditions: dict[str, Any]) -> bool:
    return all(row_has(definition.by_name[name], row, value) for name, value in conditions.items())


def row_has(filter_: Any, row: Any, wanted: Any) -> bool:
    value = getattr(row, filter_.column)
    if isinstance(filter_, Range):
        after, before = wanted
        return value is not None and (after is None or after <= value) and (before is None or value < before)
    return value.startswith(wanted) if isinstance(filter_, Prefix) else value == wanted


def in_order(rows: list[Any], order: Order) -> list[Any]:
    return sorted(
        rows, key=lambda row: [getattr(row, name) for name in order.columns], reverse=order.descending
    )


def walk(selection: Selection, cursor: Cursor | None, step: str, size: int, **options: Any) -> list[Any]:
    """Return the ids of the rows of all pages, from one page on, in the list's order."""
    ids: list[Any] = []
    for _ in range(200):
        if cursor is None:
            return ids
        page = selection.page(cursor, size, **options)
        assert len(page.rows) <= size
        new = [UUID(from_json(row)["id"]) if isinstance(row, str) else row.pk for row in page.rows]
        ids = ids + new if step == "next" else new + ids
        cursor = getattr(page, step)
    pytest.fail("the pages do not end")


@pytest.mark.parametrize("definition", LISTS, ids=range(len(LISTS)))
def test_pages_are_the_matching_rows_in_order(definition, monkeypatch):
    random = Random(f"{definition.name} {len(definition.filters)}")  # noqa: S311 - rows of a test
    monkeypatch.setattr(bounded_scan, "SCAN_LIMIT", SCAN)
    rows = stored_rows(definition, random)
    json = shown_fields(SERIALIZERS[definition.model])
    # One of three ways through the pages for each combination: as JSON, as models, and backward.
    ways = cycle(
        [
            lambda selection, size: walk(selection, Cursor(), "next", size, json=json),
            lambda selection, size: walk(selection, Cursor(), "next", size),
            lambda selection, size: walk(selection, Cursor(backward=True), "previous", size),
        ]
    )
    matched = 0
    for names in combinations_of(definition):
        for order in definition.orders_with(names, definition.console_orders):
            conditions = some_conditions(definition, names, rows, random)
            selection = Selection(definition, conditions, order)
            matching = [row for row in rows if passes(definition, row, conditions)]
            wanted = [row.pk for row in in_order(matching, order)]
            size, about = random.choice((1, 3, 20)), (names, order, conditions)

            assert next(ways)(selection, size) == wanted, about
            assert selection.count() in (None, len(wanted)), about
            matched += len(wanted) > 1
    assert matched > 0


@pytest.mark.parametrize("definition", LISTS, ids=range(len(LISTS)))
def test_the_page_before_a_page_is_reached_from_it(definition, monkeypatch):
    random = Random(definition.name)  # noqa: S311 - rows of a test
    monkeypatch.setattr(bounded_scan, "SCAN_LIMIT", SCAN)
    rows = stored_rows(definition, random)
    for names in combinations_of(definition):
        order = definition.orders_with(names, definition.orders)[0]
        selection = Selection(definition, some_conditions(definition, names, rows, random), order)
        page = selection.page(size=3)
        seen: list[Any] = [row.pk for row in page.rows]
        while page.next:
            page = selection.page(page.next, 3)
            assert walk(selection, page.previous, "previous", 3) == seen, (names, order)
            seen += [row.pk for row in page.rows]


#: Where a later page begins, where that is no time.
POSITIONS = {"id": UUID(int=0), "priority": 0, "name": "m", "title": "m", "username": "m"}


def position_in(selection: Selection) -> tuple[Any, ...]:
    return tuple(POSITIONS.get(column, START) for column in selection.columns)


@pytest.mark.parametrize("definition", LISTS, ids=range(len(LISTS)))
def test_a_page_is_one_statement(definition, django_assert_num_queries):
    places = cycle(["first", "next", "previous"])
    for names in combinations_of(definition):
        for order in definition.orders_with(names, definition.orders):
            conditions = {name: definition.by_name[name].sample_value for name in names}
            selection = Selection(definition, conditions, order)
            position = position_in(selection)
            cursor = {
                "first": Cursor(),
                "next": Cursor(position=position),
                "previous": Cursor(backward=True, position=position),
            }[next(places)]
            with django_assert_num_queries(1):
                selection.page(cursor, json=("id", *selection.columns))


@pytest.mark.parametrize("definition", LISTS, ids=range(len(LISTS)))
def test_pages_compare_row_values_and_never_skip_rows(definition):
    for order in definition.orders_with((), definition.orders):
        selection = Selection(definition, {}, order)
        sql = str(selection.walk(Cursor(position=position_in(selection)))[:3].query)
        columns = ", ".join(f'"{definition.name}"."{column}"' for column in order.columns)
        assert f"({columns}) {'<' if order.descending else '>'} (" in sql
        assert " OR " not in sql
        assert "OFFSET" not in sql


@pytest.mark.parametrize("definition", LISTS, ids=range(len(LISTS)))
def test_a_later_page_of_a_range_is_searched_from_its_position(definition):
    """SQLite searches by the first condition on a column: it must be the position, not the range's bound."""
    for filter_ in definition.filters:
        if isinstance(filter_, Range):
            order = definition.orders_with((filter_.name,), definition.orders)[0]
            selection = Selection(definition, {filter_.name: Period(START, START)}, order)
            sql = str(selection.walk(Cursor(position=position_in(selection))).query)
            conditions = sql.partition(" WHERE ")[2]
            assert conditions.lstrip("(").startswith(f'"{definition.name}"."{order.column}", '), conditions


@pytest.mark.sqlite
def test_an_index_serves_a_boolean():
    condition = LISTS[3].by_name["active"].condition(False)
    assert "ix_users_active" in User.objects.filter(condition).explain()


def test_the_sql_of_a_first_page_is_compiled_once(django_assert_num_queries):
    definition = LISTS[0]
    selection = Selection(definition, {}, definition.orders[0])
    first_page_sql.cache_clear()
    before = selection.page(json=("id", "created_at")).rows
    job = Job.objects.create(name="new")
    after = selection.page(json=("id", "created_at")).rows
    assert (before, [from_json(row)["id"] for row in after]) == ([], [str(job.pk)])
    assert first_page_sql.cache_info()[:2] == (1, 1)


@pytest.mark.parametrize("definition", LISTS, ids=range(len(LISTS)))
def test_each_sample_is_a_value_that_its_filter_reads(definition):
    for filter_ in definition.filters:
        texts = filter_.texts(filter_.sample_value)
        assert set(texts) == set(filter_.parameters)
        assert filter_.texts(filter_.read(texts)) == texts
