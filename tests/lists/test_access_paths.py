"""Which index serves which filters in which order."""

from uuid import UUID

import pytest

from orchestrator.api import cache_policy
from orchestrator.listing import Exact, ListDefinition, Order, access_path
from orchestrator.lists import EVENTS, JOBS, LISTS, TASKS, USERS
from orchestrator.models import Job

pytestmark = pytest.mark.engine_neutral


def path(definition, filters, order=""):
    names = tuple(filters.split())
    orders = definition.orders_with(names, definition.orders)
    found = next(each for each in orders if each.name == order) if order else orders[0]
    return access_path(definition, names, found)


@pytest.mark.parametrize(
    ("definition", "filters", "order", "index", "served"),
    [
        (JOBS, "", "", "ix_jobs_created_at", ""),
        (JOBS, "status", "", "ix_jobs_status_created_at", "status"),
        (JOBS, "status priority created_at", "", "ix_jobs_status_prio_created", "status priority created_at"),
        (JOBS, "status", "-priority", "ix_jobs_status_prio_created", "status"),
        (JOBS, "queue", "-priority", "ix_jobs_priority_created_at", ""),
        (JOBS, "worker status", "", "ix_jobs_worker_created_at", "worker"),
        (JOBS, "worker status priority", "", "ix_jobs_status_prio_created", "status priority"),
        (JOBS, "status started_at", "", "ix_jobs_started_at", "started_at"),
        (JOBS, "name status", "name", "ix_jobs_name_created_at", "name"),
        (JOBS, "id status", "", "primary key", "id status"),
        (EVENTS, "job type created_at", "", "ix_events_job_id_created_at", "job created_at"),
        (TASKS, "title", "created_at", "ix_tasks_title_created_at", "title"),
        (TASKS, "title_prefix", "title", "ix_tasks_title_created_at", "title_prefix"),
        (USERS, "role active", "", "ix_users_username", ""),
        (USERS, "email role", "", "ix_users_email", "email role"),
    ],
)
def test_the_index_that_serves_most_filters_is_used(definition, filters, order, index, served):
    found = path(definition, filters, order)
    assert (found.index, set(found.served)) == (index, set(served.split()))


def test_a_column_that_a_filter_fixes_is_no_part_of_the_position():
    assert path(JOBS, "priority", "-priority").columns == ("created_at", "id")
    assert path(JOBS, "", "-priority").columns == ("priority", "created_at", "id")


def test_an_order_without_an_index_is_an_error():
    unserved = ListDefinition(model=Job, orders=(Order("-attempts"),), filters=())
    with pytest.raises(Exception, match="No index of jobs serves the order -attempts"):
        access_path(unserved, (), unserved.orders[0])


def test_an_order_by_a_column_that_may_be_null_needs_its_range():
    names = [order.name for order in JOBS.orders_with((), JOBS.orders)]
    assert names == ["-created_at", "created_at", "-priority", "name"]


@pytest.mark.parametrize("definition", LISTS, ids=range(len(LISTS)))
def test_every_combination_has_an_order_and_an_index(definition):
    for names in definition.combinations(definition.filters):
        orders = definition.orders_with(names, definition.console_orders)
        assert orders, names
        for order in orders:
            assert set(access_path(definition, names, order).served) <= set(names)


@pytest.mark.parametrize(
    ("definition", "narrow", "build"),
    [(JOBS, "status", cache_policy.JOB_LIST), (EVENTS, "type", cache_policy.EVENT_LIST)],
)
def test_a_page_has_the_tags_of_one_value_where_its_index_serves_that_value(rf, definition, narrow, build):
    """A page whose scan reads rows with other values is out of date when those rows change."""
    user_id = UUID(int=1)
    tags_of_all = build(rf.get("/"), None, user_id).tags
    for names in definition.combinations(definition.api_filters):
        for order in definition.orders_with(names, definition.api_orders):
            used = [definition.by_name[name] for name in names]
            texts = {name: text for each in used for name, text in each.texts(each.sample_value).items()}
            spec = build(rf.get("/", {**texts, "ordering": order.name}), None, user_id)
            is_served = narrow in access_path(definition, names, order).served
            assert (spec.tags != tags_of_all) == is_served, (names, order.name)


def test_a_filter_without_an_index_is_residual():
    more = ListDefinition(
        model=Job, orders=JOBS.orders, filters=(*JOBS.filters, Exact("max_attempts", int, sample=2))
    )
    assert path(more, "status max_attempts").served == ("status",)
