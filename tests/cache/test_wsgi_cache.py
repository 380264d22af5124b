"""The fast middleware serves what Django would, header for header; and what a hit and a write cost."""

from collections import Counter, deque
from collections.abc import Callable

import pytest
from django.conf import LazySettings, settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from orchestrator.api import cached_responses, wsgi_cache
from orchestrator.cache import client, lookup, metrics, relay, timing
from orchestrator.models import Event, Job, Task
from tests.cache.assertions import cache_status, uncached_body, warm
from tests.cache.wsgi_client import MiddlewareClient, WSGIResponse
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
    "/api/v1/users/",
)
#: Of each answer another, whoever gives it.
OF_ONE_ANSWER = {"x-request-id"}


@pytest.fixture(autouse=True)
def _long_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """No relay runs: where a lease is over, Django has to be asked for a new one."""
    monkeypatch.setattr(timing, "LEASE", 5)


@pytest.fixture
def job(db: None) -> Job:
    Event.objects.create(type="x")
    Task.objects.create(title="t ä")
    return Job.objects.create(name="watched")


def compared(told: WSGIResponse) -> tuple[int, dict[str, str], bytes]:
    headers = {name.lower(): value for name, value in told.headers.items()}
    return told.status, {name: headers[name] for name in headers.keys() - OF_ONE_ANSWER}, told.body


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
        quick = middleware.get(as_moderator, path, **headers)

        assert not quick.by_django, headers
        assert compared(quick) == compared(middleware.get_from_django(as_moderator, path, **headers)), headers


def test_without_a_cache_django_serves_every_request(
    job: Job, as_user: APIClient, middleware: MiddlewareClient, settings: LazySettings
):
    settings.CACHE_URL = None
    settings.CACHES = {
        **settings.CACHES,
        "default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
    }
    client._client_for.cache_clear()  # noqa: SLF001 - another test's knows a cache

    for _ in range(2):  # the middleware knows the address from the first on
        told = middleware.get(as_user, LIST)
        assert (told.status, told.by_django) == (200, True), told.body


def test_serves_a_detail(job: Job, as_user: APIClient, middleware: MiddlewareClient):
    path = f"{LIST}{job.pk}/"
    warm(as_user, path)
    middleware.remember(as_user, path)

    assert compared(middleware.get(as_user, path)) == compared(middleware.get_from_django(as_user, path))


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

    middleware.get_from_django(
        as_user, LIST, **headers
    )  # another host's answer is another one, and now cached, too

    told = middleware.get(as_user, LIST, **headers)

    assert told.by_django
    assert compared(told) == compared(middleware.get_from_django(as_user, LIST, **headers))


def test_leaves_html_to_django(job: Job, as_user: APIClient, middleware: MiddlewareClient):
    warm(as_user, LIST)
    middleware.remember(as_user, LIST)

    told = middleware.get(as_user, LIST, HTTP_ACCEPT="text/html")

    assert told.by_django
    assert told.headers["Content-Type"].startswith("text/html")


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
def test_a_route_learned_from_one_kind_of_request_fits_the_others(
    headers, job: Job, as_user: APIClient, middleware: MiddlewareClient
):
    warm(as_user, LIST)
    for _ in range(3):
        middleware.get(as_user, LIST, **headers)

    assert compared(middleware.get(as_user, LIST)) == compared(middleware.get_from_django(as_user, LIST))


def test_learns_nothing_from_an_error(as_user: APIClient, middleware: MiddlewareClient):
    for path in ("/api/v1/users/", f"{LIST}?status=banana", "/api/v1/users/me/", f"{LIST}?cursor=x"):
        for _ in range(3):
            assert middleware.get(as_user, path).by_django, path


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


def test_caches_no_response_with_a_long_url(job: Job, as_user: APIClient):
    long, short = (f"{LIST}?worker={'x' * length}" for length in (cached_responses.MAX_KEY_LENGTH, 1000))
    warm(as_user, short)

    assert [as_user.get(long)["X-Cache"] for _ in range(2)] == ["BYPASS"] * 2


def test_sees_every_write(job: Job, as_user: APIClient, middleware: MiddlewareClient):
    warm(as_user, LIST)
    middleware.remember(as_user, LIST)
    for priority in range(1, 6):
        Job.objects.update(priority=priority)

        told = middleware.get(as_user, LIST)
        assert told.by_django
        assert told.json()["results"][0]["priority"] == priority
        middleware.remember(as_user, LIST)


def test_leaves_requests_to_django_while_the_cache_is_down(
    job: Job, as_user: APIClient, middleware: MiddlewareClient, own_cache: Callable[..., ValkeyServer]
):
    cache = own_cache()
    warm(as_user, LIST)
    middleware.remember(as_user, LIST)
    cache.kill()

    Job.objects.update(priority=7)
    told = middleware.get(as_user, LIST)

    assert told.by_django
    assert told.headers["X-Cache"] == "BYPASS"
    assert told.json()["results"][0]["priority"] == 7


# --- What a client sees -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*LISTS, "/api/v1/users/me/"])
def test_cacheable_responses_have_etag_cache_control_and_x_cache(
    path: str, job: Job, as_moderator: APIClient
):
    miss, hit = as_moderator.get(path), as_moderator.get(path)
    same = as_moderator.get(path, HTTP_IF_NONE_MATCH=hit["ETag"])

    assert [answer["X-Cache"] for answer in (miss, hit, same)] == ["MISS", "HIT", "HIT"]
    assert miss["ETag"] == hit["ETag"] == same["ETag"]
    assert hit["ETag"].startswith('"')
    assert (same.status_code, same.content) == (304, b"")
    for answer in (miss, hit, same):
        assert answer["Cache-Control"] == "private, no-cache"
        assert {"Accept", "Authorization", "Cookie"} <= {each.strip() for each in answer["Vary"].split(",")}
    assert miss.content == hit.content == uncached_body(as_moderator, path)


def test_the_etag_changes_with_the_response(job: Job, as_user: APIClient):
    before = as_user.get(LIST)["ETag"]
    Job.objects.update(priority=3)
    answer = as_user.get(LIST, HTTP_IF_NONE_MATCH=before)

    assert answer.status_code == 200
    assert answer["ETag"] != before


# --- What it costs ------------------------------------------------------------------------------------------


@pytest.fixture
def counted(own_cache: Callable[..., ValkeyServer], monkeypatch: pytest.MonkeyPatch) -> ValkeyServer:
    """A cache server that nothing but requests asks: no counts are delivered, and the lease is long."""
    monkeypatch.setattr(metrics, "_next_flush", float("inf"))
    monkeypatch.setattr(timing, "LEASE", 60)
    cache = own_cache()
    relay.relay_once(client.current())
    return cache


def commands(cache: ValkeyServer) -> dict[str, int]:
    """Return how often each command was called since last asked, those of the scripts left out."""
    with cache.client() as client:
        figures = client.info("commandstats")
        client.config_resetstat()
    asked = ("cmdstat_eval", "cmdstat_evalsha", "cmdstat_script|load", "cmdstat_multi", "cmdstat_del")
    return {name.removeprefix("cmdstat_"): figures[name]["calls"] for name in asked if name in figures}


@pytest.mark.parametrize("path", [LIST, f"{LIST}?status=pending", "/api/v1/users/me/"])
def test_a_hit_takes_one_round_trip_and_no_query(
    path: str, job: Job, counted: ValkeyServer, as_user: APIClient, middleware: MiddlewareClient
):
    warm(as_user, path)
    commands(counted)

    with CaptureQueriesContext(connection) as queries:
        assert cache_status(as_user, path) == "HIT"

    assert queries.captured_queries == []
    assert commands(counted) == {"evalsha": 1}


def test_a_hit_of_the_middleware_takes_one_round_trip_and_no_query(
    job: Job, counted: ValkeyServer, as_user: APIClient, middleware: MiddlewareClient
):
    warm(as_user, LIST)
    middleware.remember(as_user, LIST)
    commands(counted)

    with CaptureQueriesContext(connection) as queries:
        assert not middleware.get(as_user, LIST).by_django

    assert queries.captured_queries == []
    assert commands(counted) == {"evalsha": 1}


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
    monkeypatch.setattr(metrics, "_next_flush", float("inf"))

    assert not middleware.get(as_user, LIST).by_django

    assert counts == {"jobs:hits": 1, "user_auth:hits": 1}
    assert [recipe.partition(" ")[0] for recipe in samples] == ["user", f"http://testserver{LIST}"]


def test_a_write_takes_two_calls(job: Job, counted: ValkeyServer):
    job.save()
    commands(counted)

    job.save()

    assert commands(counted) == {"evalsha": 2}


def test_what_was_counted(job: Job, counted: ValkeyServer, as_user: APIClient):
    client.current().redis_client.delete("{kyros}:s:total")
    metrics._counts.clear()  # noqa: SLF001
    warm(as_user, LIST)
    cache_status(as_user, LIST)
    Job.objects.update(priority=2)
    cache_status(as_user, LIST)

    total = metrics.read(client.current()).total

    counted_as = ("jobs:hits", "jobs:misses", "jobs:bypasses", "jobs:fills", "invalidations:jobs")
    assert [total.get(each, 0) for each in counted_as] == [2, 2, 0, 2, 1]
