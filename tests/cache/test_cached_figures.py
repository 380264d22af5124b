"""The console's figures from the cache are those of the database, after every write and without a server."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from monitoring.report import database_report
from orchestrator import actions
from orchestrator.cache import client as cache_client
from orchestrator.cache import metrics
from orchestrator.console import dashboard
from orchestrator.console.cached_figures import GROUP, figures
from orchestrator.console.workload import WorkReport, monitored_work, work_report
from orchestrator.console.workload.work_report import _work_report
from orchestrator.leases.claim import claim
from orchestrator.models import Event, Job, User
from tests.polling import wait_until
from tests.servers.valkey import ValkeyServer

pytestmark = pytest.mark.django_db(transaction=True)

OwnCache = Callable[..., ValkeyServer]


def of_database(read: Callable[[], Any]) -> Any:
    with override_settings(CACHE_URL=None):
        return read()


def shown() -> dict[str, Any]:
    """Return what operators see of jobs, without what depends on the clock."""
    current = dashboard.dashboard("hour")
    work: WorkReport = current["work"]
    return {
        "charts": [[bar.text for bar in chart.bars] for chart in current["charts"][:2]],
        "queues": [(each.name, each.pending, each.running, each.hour) for each in work.queues.queues],
        "held": {each.name: each.held for each in work.workers.workers},
    }


def is_cached() -> bool:
    """Return whether the figures come from the cache: then no query is run."""
    with CaptureQueriesContext(connection) as queries:
        work_report()
    return len(queries) == 0


def warm() -> None:
    wait_until(is_cached, what="cached figures")
    shown()


def post(client: APIClient, path: str, body: dict[str, Any]) -> Any:
    response = client.post(f"/api/v1/{path}", body, format="json")
    assert response.status_code in (200, 201), response.content
    return response.json()


def writes(api: APIClient) -> Iterator[Callable[[], Any]]:
    """Yield writes of each kind, in an order in which each changes what is shown."""
    yield partial(post, api, "jobs/", {"name": "a", "queue": "mail"})
    yield partial(post, api, "jobs/bulk/", {"jobs": [{"name": "b"}, {"name": "c", "queue": "mail"}]})
    yield partial(post, api, "jobs/claim/", {"worker": "w1", "queues": ["mail"], "limit": 1})
    yield lambda: Job.objects.filter(status="pending", queue="mail").update(queue="reports")
    yield partial(sql, "UPDATE jobs SET queue = 'letters' WHERE queue = 'reports'")
    yield partial(sql, "UPDATE jobs SET name = 'renamed' WHERE worker = 'w1'")
    yield lambda: [
        actions.change_status(job.pk, "completed", by="w1") for job in claim(worker="w2", by="ada")
    ]
    yield lambda: Event.objects.filter(type="job_completed").delete()
    yield lambda: Job.objects.all().delete()


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_each_write_is_in_the_next_figures(long_lease: None, as_user: APIClient) -> None:
    for number, write in enumerate(writes(as_user)):
        warm()
        before = shown()
        write()
        after = shown()
        assert after != before, f"write {number} changes nothing"
        assert after == of_database(shown), f"the figures are stale after write {number}"


def test_what_comes_from_the_cache_equals_what_was_stored(long_lease: None) -> None:
    actions.create_job(by="ada", name='a ☃ " job', queue="mail")
    claim(worker="w1", queues=["mail"], by="ada")
    claim(worker="w2", by="ada")
    stored = _work_report()
    assert [each.queues for each in stored.workers.workers] == [("mail",), None]
    assert figures("test", WorkReport, lambda: stored) == stored
    assert figures("test", WorkReport, never) == stored


def never() -> Any:
    raise AssertionError("the figures are not cached")


def test_pages_and_metrics_share_an_entry(long_lease: None, admin_user: User) -> None:
    client = Client()
    client.force_login(admin_user)
    warm()
    before = counted("fills")
    for path in ("queues/", "workers/", "dashboard/now/"):
        assert client.get(f"/admin/{path}").status_code == 200
    assert counted("fills") == before


def test_the_report_uses_the_cache(long_lease: None) -> None:
    warm()
    wait_until(lambda: monitored_work() and counted("fills") >= 2, what="all entries")
    before = counted("hits"), counted("bypasses")
    assert database_report(plans=False).own_figures is not None
    assert (counted("hits"), counted("bypasses")) == (before[0] + 2, before[1])


def counted(event: str) -> int:
    return metrics.read(cache_client.current()).total.get(f"{GROUP}:{event}", 0)


@pytest.mark.parametrize("failure", ["kill", "freeze"])
def test_a_cache_server_that_fails_changes_no_figure(
    own_cache: OwnCache, as_user: APIClient, failure: str
) -> None:
    cache = own_cache()
    post(as_user, "jobs/", {"name": "a"})
    warm()
    getattr(cache, failure)()
    for _ in range(2):
        post(as_user, "jobs/", {"name": "b"})
        assert shown() == of_database(shown)
    cache.thaw() if failure == "freeze" else cache.restart()
    wait_until(lambda: cache_client.current().breaker.closed, what="the breaker's closing")
    assert shown() == of_database(shown)
    warm()
    assert shown()["queues"][0][1] == 3


@dataclass(frozen=True)
class Before:
    number: int


@dataclass(frozen=True)
class After:
    number: int
    share: float


def test_code_with_other_fields_has_entries_of_its_own(long_lease: None) -> None:
    """During a rolling deploy two versions of the code share the cache."""
    assert figures("shared", Before, lambda: Before(1)) == figures("shared", Before, never) == Before(1)
    assert figures("shared", After, lambda: After(1, 0.5)) == After(1, 0.5)
