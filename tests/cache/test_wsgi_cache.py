"""The WSGI middleware serves cached responses as Django would; and the calls that a hit and a write make."""

from collections import Counter, deque
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.conf import LazySettings, settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from orchestrator.api import wsgi_cache
from orchestrator.cache import client, epoch, lookup, metrics, timing
from orchestrator.models import Event, Job, Task
from tests.cache.assertions import cache_status, uncached_body, warm
from tests.cache.wsgi_client import MiddlewareClient, WSGIResponse
from tests.polling import wait_until
from tests.servers.valkey import ValkeyServer

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/api/v1/jobs/"
ORIGIN = settings.CORS_ALLOWED_ORIGINS[0]
LISTS = (
    LIST,
    f"{LIST}?status=pending",
    f"{LIST}?status=pending&limit=1&ordering=-priority",
    f"{LIST}counts/",
    "/api/v1/events/",
    "/api/v1/events/recent/",
    "/api/v1/tasks/?title_prefix=t%20%C3%A4",
)
#: Headers that differ between any two responses.
UNIQUE_HEADERS = {"x-request-id"}


@pytest.fixture(autouse=True)
def _long_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease that outlasts the steps of a test on a busy machine."""
    monkeypatch.setattr(timing, "LEASE", 5)


@pytest.fixture
def job(db: None) -> Job:
    Event.objects.create(type="x")
    Task.objects.create(title="t ä")
    return Job.objects.create(name="a job")


def comparable(response: WSGIResponse) -> tuple[int, dict[str, str], bytes]:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return response.status, {name: headers[name] for name in headers.keys() - UNIQUE_HEADERS}, response.body


@pytest.mark.one_engine
@pytest.mark.parametrize("path", LISTS)
def test_serves_what_django_would_serve(
    path: str, job: Job, as_moderator: APIClient, middleware: MiddlewareClient
):
    warm(as_moderator, path)
    middleware.remember(as_moderator, path)
    etag = middleware.get_from_django(as_moderator, path).headers["ETag"]

    for headers in (
        {},
        {"HTTP_ACCEPT": "application/json"},
        {"HTTP_IF_NONE_MATCH": etag},
        {"HTTP_IF_NONE_MATCH": f'"another", W/{etag}'},
        {"HTTP_IF_NONE_MATCH": "*"},
        {"HTTP_IF_NONE_MATCH": "nonsense"},
    ):
        response = middleware.get(as_moderator, path, **headers)

        assert not response.by_django, headers
        assert comparable(response) == comparable(
            middleware.get_from_django(as_moderator, path, **headers)
        ), headers


@pytest.mark.one_engine
def test_without_a_cache_django_serves_every_request(
    job: Job, as_user: APIClient, middleware: MiddlewareClient, settings: LazySettings
):
    settings.CACHE_URL = None
    settings.CACHES = {
        **settings.CACHES,
        "default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
    }
    client._client_for.cache_clear()  # noqa: SLF001 - another test's client has a cache

    for _ in range(2):  # after the first the middleware has a route
        response = middleware.get(as_user, LIST)
        assert (response.status, response.by_django) == (200, True), response.body


def test_serves_a_detail(job: Job, as_user: APIClient, middleware: MiddlewareClient):
    path = f"{LIST}{job.pk}/"
    warm(as_user, path)
    middleware.remember(as_user, path)

    assert comparable(middleware.get(as_user, path)) == comparable(middleware.get_from_django(as_user, path))


@pytest.mark.one_engine
@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_ORIGIN": ORIGIN},
        {"HTTP_ACCEPT": "image/png"},
        {"REQUEST_METHOD": "HEAD"},
        {"REQUEST_METHOD": "OPTIONS"},
        {"HTTP_HOST": "elsewhere.example"},
        {"HTTP_HOST": "localhost:1"},
    ],
    ids=str,
)
def test_leaves_content_negotiation_cors_and_other_hosts_to_django(
    headers, job: Job, as_user: APIClient, middleware: MiddlewareClient
):
    warm(as_user, LIST)
    middleware.remember(as_user, LIST)

    middleware.get_from_django(as_user, LIST, **headers)  # caches the other host's response

    response = middleware.get(as_user, LIST, **headers)

    assert response.by_django
    assert comparable(response) == comparable(middleware.get_from_django(as_user, LIST, **headers))


@pytest.mark.one_engine
def test_leaves_html_to_django(job: Job, as_user: APIClient, middleware: MiddlewareClient):
    warm(as_user, LIST)
    middleware.remember(as_user, LIST)

    response = middleware.get(as_user, LIST, HTTP_ACCEPT="text/html")

    assert response.by_django
    assert response.headers["Content-Type"].startswith("text/html")


@pytest.mark.one_engine
@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_ORIGIN": ORIGIN},
        {"REQUEST_METHOD": "HEAD"},
        {"HTTP_IF_NONE_MATCH": "*"},
        {"HTTP_ACCEPT": "*/*"},
    ],
    ids=str,
)
def test_a_route_remembered_from_one_kind_of_request_fits_the_others(
    headers, job: Job, as_user: APIClient, middleware: MiddlewareClient
):
    warm(as_user, LIST)
    for _ in range(3):
        middleware.get(as_user, LIST, **headers)

    assert comparable(middleware.get(as_user, LIST)) == comparable(middleware.get_from_django(as_user, LIST))


@pytest.mark.one_engine
def test_remembers_no_route_of_an_error(as_user: APIClient, middleware: MiddlewareClient):
    for path in ("/api/v1/users/", f"{LIST}?status=banana", "/api/v1/users/me/", f"{LIST}?cursor=x"):
        for _ in range(3):
            assert middleware.get(as_user, path).by_django, path


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (LIST, {"HTTP_X_FORWARDED_PROTO": "x" * 380_000}),
        (f"{LIST}?worker={'x' * 380_000}", {}),
        (f"{LIST}?worker={'x' * wsgi_cache.MAX_KEY_LENGTH}", {}),
    ],
    ids=["header", "query", "barely too long"],
)
def test_remembers_no_request_with_a_long_key(
    path, headers, job: Job, as_user: APIClient, middleware: MiddlewareClient
):
    warm(as_user, LIST)
    for _ in range(3):
        response = middleware.get(as_user, path, **headers)

        assert (response.status, response.by_django) == (200, True)

    middleware.remember(as_user, LIST)
    assert all(sum(map(len, filter(None, key))) < 2048 for key in wsgi_cache._routes)  # noqa: SLF001


@pytest.mark.one_engine
def test_caches_no_response_with_a_long_url(job: Job, as_user: APIClient):
    long, short = (f"{LIST}?worker={'x' * length}" for length in (wsgi_cache.MAX_KEY_LENGTH, 1000))
    warm(as_user, short)

    assert [as_user.get(long)["X-Cache"] for _ in range(2)] == ["BYPASS"] * 2


def test_sees_every_write(job: Job, as_user: APIClient, middleware: MiddlewareClient):
    warm(as_user, LIST)
    middleware.remember(as_user, LIST)
    for priority in range(1, 6):
        Job.objects.update(priority=priority)

        response = middleware.get(as_user, LIST)
        assert response.by_django
        assert response.json()["results"][0]["priority"] == priority
        middleware.remember(as_user, LIST)


def test_leaves_requests_to_django_while_the_cache_is_down(
    job: Job, as_user: APIClient, middleware: MiddlewareClient, own_cache: Callable[..., ValkeyServer]
):
    cache = own_cache()
    warm(as_user, LIST)
    middleware.remember(as_user, LIST)
    cache.kill()

    Job.objects.update(priority=7)
    response = middleware.get(as_user, LIST)

    assert response.by_django
    assert response.headers["X-Cache"] == "BYPASS"
    assert response.json()["results"][0]["priority"] == 7


# --- Headers ------------------------------------------------------------------------------------------------


@pytest.mark.one_engine
@pytest.mark.parametrize("path", [*LISTS, "/api/v1/users/me/"])
def test_cacheable_responses_have_etag_cache_control_and_x_cache(
    path: str, job: Job, as_moderator: APIClient
):
    miss, hit = as_moderator.get(path), as_moderator.get(path)
    same = as_moderator.get(path, HTTP_IF_NONE_MATCH=hit["ETag"])

    assert [response["X-Cache"] for response in (miss, hit, same)] == ["MISS", "HIT", "HIT"]
    assert miss["ETag"] == hit["ETag"] == same["ETag"]
    assert hit["ETag"].startswith('"')
    assert (same.status_code, same.content) == (304, b"")
    for response in (miss, hit, same):
        assert response["Cache-Control"] == "private, no-cache"
        assert {"Accept", "Authorization", "Cookie"} <= {each.strip() for each in response["Vary"].split(",")}
    assert miss.content == hit.content == uncached_body(as_moderator, path)


def test_the_etag_changes_with_the_response(job: Job, as_user: APIClient):
    before = as_user.get(LIST)["ETag"]
    Job.objects.update(priority=3)
    response = as_user.get(LIST, HTTP_IF_NONE_MATCH=before)

    assert response.status_code == 200
    assert response["ETag"] != before


# --- Calls and queries --------------------------------------------------------------------------------------


@pytest.fixture
def counted_cache(own_cache: Callable[..., ValkeyServer], monkeypatch: pytest.MonkeyPatch) -> ValkeyServer:
    """A private cache server that only requests call: no counts are flushed, and the lease is long."""
    monkeypatch.setattr(metrics, "_current_client", lambda: SimpleNamespace(usable=False))
    monkeypatch.setattr(timing, "LEASE", 60)
    cache = own_cache()
    client.current().lease.renew(client.current())
    assert epoch.establish(client.current())
    return cache


def commands(cache: ValkeyServer) -> dict[str, int]:
    """Return how often each command was called since the last call of this function."""
    with cache.client() as client:
        figures = client.info("commandstats")
        client.config_resetstat()
    names = ("cmdstat_eval", "cmdstat_evalsha", "cmdstat_script|load", "cmdstat_multi", "cmdstat_del")
    return {name.removeprefix("cmdstat_"): figures[name]["calls"] for name in names if name in figures}


@pytest.mark.parametrize("path", [LIST, f"{LIST}?status=pending", "/api/v1/users/me/"])
def test_a_hit_takes_one_round_trip_and_no_query(
    path: str, job: Job, counted_cache: ValkeyServer, as_user: APIClient, middleware: MiddlewareClient
):
    warm(as_user, path)
    commands(counted_cache)

    with CaptureQueriesContext(connection) as queries:
        assert cache_status(as_user, path) == "HIT"

    assert queries.captured_queries == []
    assert commands(counted_cache) == {"evalsha": 1}


def test_a_hit_of_the_middleware_takes_one_round_trip_and_no_query(
    job: Job, counted_cache: ValkeyServer, as_user: APIClient, middleware: MiddlewareClient
):
    warm(as_user, LIST)
    middleware.remember(as_user, LIST)
    commands(counted_cache)

    with CaptureQueriesContext(connection) as queries:
        assert not middleware.get(as_user, LIST).by_django

    assert queries.captured_queries == []
    assert commands(counted_cache) == {"evalsha": 1}


def test_a_hit_of_the_middleware_is_counted(
    job: Job, as_user: APIClient, middleware: MiddlewareClient, monkeypatch: pytest.MonkeyPatch
):
    warm(as_user, LIST)
    middleware.remember(as_user, LIST)
    counts: Counter[str] = Counter()
    samples: deque[str] = deque()
    monkeypatch.setattr(lookup, "AUDIT_SAMPLE_RATE", 1)
    monkeypatch.setattr(metrics, "_counts", counts)
    monkeypatch.setattr(metrics, "_samples", samples)
    monkeypatch.setattr(metrics, "_current_client", lambda: SimpleNamespace(usable=False))

    assert not middleware.get(as_user, LIST).by_django

    assert counts == {"jobs:hits": 1, "user_auth:hits": 1}
    assert [key.partition(" ")[0] for key in samples] == ["user", f"http://testserver{LIST}"]


def test_a_write_takes_two_calls(job: Job, counted_cache: ValkeyServer):
    job.save()
    commands(counted_cache)

    job.save()

    assert commands(counted_cache) == {"evalsha": 1, "eval": 1}


def test_hits_misses_fills_and_invalidations_are_counted(
    job: Job, counted_cache: ValkeyServer, as_user: APIClient
):
    client.current().redis_client.delete("{kyros}:s:total")
    metrics._counts.clear()  # noqa: SLF001
    warm(as_user, LIST)
    cache_status(as_user, LIST)
    Job.objects.update(priority=2)
    cache_status(as_user, LIST)

    total = metrics.read(client.current()).total

    names = ("jobs:hits", "jobs:misses", "jobs:bypasses", "jobs:fills", "invalidations:jobs")
    assert [total.get(name, 0) for name in names] == [2, 2, 0, 2, 1]


def test_counts_of_a_process_that_gets_no_further_request_are_sent(own_cache: Callable[..., ValkeyServer]):
    own_cache()

    def sent() -> bytes | None:
        return client.current().redis_client.hget("{kyros}:s:total", "jobs:hits")

    for total in (b"1", b"2"):  # the thread that has sent the first one may be about to end
        metrics.count("jobs", "hits")
        wait_until(lambda total=total: sent() == total, what="the counts of this process")
