"""How responses get into the cache: built by one caller, never old ones, never errors."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from rest_framework.test import APIClient

from orchestrator.cache import client, keys, lookup, timing
from orchestrator.cache.in_flight import Write
from orchestrator.cache.lookup import CacheStatus
from orchestrator.cache.spec import CacheSpec
from orchestrator.models import Job, User
from tests.cache.assertions import cache_status, cache_status_once, uncached_body
from tests.http_client import HttpClient
from tests.servers.valkey import ValkeyServer

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/api/v1/jobs/"
SPEC = CacheSpec("jobs", "a key of the tests", ("jobs",), ttl=60)


def get_or_build(build) -> lookup.CachedResponse:
    (result,) = lookup.look_up(SPEC)
    return lookup.get_or_build(SPEC, result, build)


def get_or_build_in_thread(build) -> CacheStatus:
    try:
        return get_or_build(build).status
    finally:
        connection.close()


def keys_matching(valkey: ValkeyServer, pattern: str) -> set[bytes]:
    with valkey.client() as client:
        return set(client.scan_iter(pattern))


def test_one_caller_of_many_builds_and_the_others_wait(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(timing, "FILL_WAIT", 30)
    monkeypatch.setattr(timing, "FILL_EXPIRY", 60)
    monkeypatch.setattr(timing, "LEASE", 60)
    waiting, built = threading.Semaphore(0), []
    count = lookup.metrics.count
    callers = 8

    def count_waits(group: str, event: str, times: int = 1) -> None:
        if event == "waits":
            waiting.release()
        count(group, event, times)

    def build() -> bytes:
        built.append(1)
        for _ in range(callers):
            waiting.acquire(timeout=10)
        return b"{}"

    monkeypatch.setattr(lookup.metrics, "count", count_waits)
    get_or_build(lambda: b"nothing")  # renews the lease
    Job.objects.create(name="invalidates")
    with ThreadPoolExecutor(callers) as pool:
        statuses = Counter(pool.map(get_or_build_in_thread, [build] * callers))

    assert built == [1]
    assert statuses == {CacheStatus.MISS: 1, CacheStatus.HIT: callers - 1}


@pytest.mark.one_engine
def test_one_request_of_200_to_two_workers_queries_the_database(web, valkey_server, user: User):
    Job.objects.bulk_create([Job(name=f"{number}") for number in range(1000)])
    # Long time-outs: on a busy machine a slow response must not look like a frozen server.
    env = {"REDIS_URL": f"{valkey_server().url}&socket_timeout=10&socket_connect_timeout=10"}
    url = web(workers=2, env=env, application="tests.cache.slow_app:patient")
    client = HttpClient(url).sign_in("user")
    with ThreadPoolExecutor(50) as pool:
        # A worker that starts may void the cache when it first looks at the database.
        for _ in range(2):
            list(pool.map(lambda _: client.get("/api/v1/users/me/"), range(50)))
        responses = list(pool.map(lambda _: client.get(f"{LIST}?limit=1000"), range(200)))

    assert {response.status for response in responses} == {200}
    assert Counter(response.headers["X-Cache"] for response in responses) == {"MISS": 1, "HIT": 199}


def test_times_to_live_are_jittered_by_a_tenth_at_most(as_user: APIClient, valkey: ValkeyServer):
    for limit in range(1, 21):
        as_user.get(f"{LIST}?limit={limit}")

    with valkey.client() as client:
        entries = [each for each in keys_matching(valkey, "*:e:*") if b'"next"' in client.hget(each, "body")]
        ttls = [client.pttl(each) for each in entries]

    assert len(ttls) == 20
    assert len(set(ttls)) > 10
    assert all(45_000 < ttl <= 66_000 for ttl in ttls), ttls


def test_a_transaction_neither_reads_nor_stores_entries(as_user: APIClient, valkey: ValkeyServer):
    as_user.get(LIST)
    before = keys_matching(valkey, "*:e:*")

    with transaction.atomic():
        Job.objects.create(name="not yet")
        assert cache_status_once(as_user, LIST) == "BYPASS"
        assert cache_status_once(as_user, f"{LIST}?limit=5") == "BYPASS"
        transaction.set_rollback(True)

    assert keys_matching(valkey, "*:e:*") == before
    assert as_user.get(LIST).json()["results"] == []


def test_a_response_is_not_stored_if_a_write_overtook_it():
    def build() -> bytes:
        Job.objects.create(name="overtakes")
        return b'"old"'

    assert get_or_build(build).body == b'"old"'

    assert lookup.look_up(SPEC)[0].body is None
    assert get_or_build(lambda: b'"new"').body == b'"new"'
    assert get_or_build(lambda: b'"never built"').body == b'"new"'


def test_nothing_is_stored_while_a_write_is_in_flight(monkeypatch: pytest.MonkeyPatch):
    statuses: list[CacheStatus] = []
    end = Write.end

    def read_and_end(write: Write) -> bool:
        with ThreadPoolExecutor(1) as pool:
            statuses.append(pool.submit(get_or_build_in_thread, lambda: b"{}").result())
        return end(write)

    get_or_build(lambda: b"{}")
    monkeypatch.setattr(Write, "end", read_and_end)
    Job.objects.create(name="in flight")

    assert statuses == [CacheStatus.BYPASS]


def test_an_empty_list_is_cached(as_user: APIClient):
    assert cache_status(as_user, LIST) == "MISS"
    assert cache_status(as_user, LIST) == "HIT"
    assert as_user.get(LIST).json()["results"] == []


def test_deeper_pages_come_from_the_database(as_user: APIClient, valkey: ValkeyServer):
    Job.objects.bulk_create([Job(name=f"{number}") for number in range(3)])
    second = as_user.get(f"{LIST}?limit=1").json()["next"]
    before = keys_matching(valkey, "*:e:*")

    for _ in range(2):
        assert cache_status_once(as_user, second) == "BYPASS"

    assert keys_matching(valkey, "*:e:*") == before


@pytest.mark.parametrize(
    "wrong", ["status=banana", "cursor=abc", "created_after=x", "ordering=name", "limit=0"]
)
def test_a_bad_request_is_neither_stored_nor_claimed(wrong: str, as_user: APIClient, valkey: ValkeyServer):
    as_user.get("/api/v1/users/me/")
    before = keys_matching(valkey, "*:e:*")

    for _ in range(3):
        response = as_user.get(f"{LIST}?{wrong}")
        assert response.status_code == 400, response.content

    assert keys_matching(valkey, "*:e:*") == before
    assert keys_matching(valkey, "*:f:*") == set()


def test_the_claim_of_a_build_that_fails_is_released(valkey: ValkeyServer):
    def fail() -> bytes:
        raise LookupError

    with pytest.raises(LookupError):
        get_or_build(fail)

    assert keys_matching(valkey, "*:f:*") == set()
    assert get_or_build(lambda: b"{}").status is CacheStatus.MISS


def test_the_claim_of_a_dead_caller_expires(monkeypatch: pytest.MonkeyPatch, valkey: ValkeyServer):
    monkeypatch.setattr(timing, "FILL_WAIT", 30)
    get_or_build(lambda: b"old")
    Job.objects.create(name="invalidates")
    valkey.execute("SET", keys.fill_lock(SPEC.digest), "a dead caller", "PX", 100)

    assert get_or_build(lambda: b"new").body == b"new"


def test_a_404_is_not_stored(as_user: APIClient, valkey: ValkeyServer):
    job = Job.objects.create(name="deleted below")
    job_id, path = job.pk, f"{LIST}{job.pk}/"
    job.delete()

    for _ in range(2):
        assert as_user.get(path).status_code == 404
    Job(pk=job_id, name="created again").save()

    assert as_user.get(path).content == uncached_body(as_user, path) != b""
    assert client.current().breaker.closed
