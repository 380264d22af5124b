"""A slow cache server: it is not called any more, no exchange outlasts its deadline, and it is used again."""

import threading
import time
from collections.abc import Callable, Iterator

import hiredis
import pytest
from rest_framework.test import APIClient

from orchestrator.cache import client as cache_client
from orchestrator.cache import local_entries, timing
from orchestrator.cache.breaker import BreakerState, CircuitBreaker
from orchestrator.cache.client import RedisCacheClient
from orchestrator.cache.interface import CacheUnavailable
from orchestrator.models import Job
from tests.cache.assertions import cache_status, cache_status_once, warm
from tests.cache.conftest import LONG_TIMEOUTS
from tests.cache.tcp_proxy import TcpProxy
from tests.polling import wait_until
from tests.servers.valkey import ValkeyServer

LIST = "/api/v1/jobs/"
#: Seconds for which a reply is held back: slow, but far from the tests' time-out of a second.
DELAY = 0.2
#: How fast replies drip: the list would take a minute.
BYTES_PER_SECOND = 500


@pytest.fixture
def proxy(
    valkey_server: Callable[..., ValkeyServer], use_cache: Callable[[str], None], long_lease: None
) -> Iterator[TcpProxy]:
    """The connection between this process and a cache server of its own."""
    with TcpProxy(valkey_server().socket) as proxy:
        use_cache(f"{proxy.url}?{LONG_TIMEOUTS}")
        yield proxy


@pytest.fixture
def cache(proxy: TcpProxy) -> RedisCacheClient:
    return cache_client.current()


@pytest.fixture
def jobs(db: None) -> list[Job]:
    return Job.objects.bulk_create([Job(name=f"job {number}") for number in range(100)])


@pytest.fixture
def no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "PROBE_EVERY", 3600)


@pytest.mark.django_db(transaction=True)
class TestDelayed:
    def test_the_server_is_not_called_any_more(
        self, proxy: TcpProxy, cache: RedisCacheClient, no_probe: None, jobs: list[Job], as_user: APIClient
    ):
        warm(as_user, LIST)
        proxy.delay = DELAY
        replies = proxy.replies
        wait_until(lambda: cache_status_once(as_user, LIST) == "BYPASS", 20, what="a bypass")

        assert cache.breaker.state is BreakerState.OPEN
        assert proxy.replies - replies < 10
        replies = proxy.replies
        for _ in range(10):
            assert cache_status_once(as_user, LIST) == "BYPASS"
        assert proxy.replies == replies

    def test_it_is_called_again_once_it_is_fast(
        self, proxy: TcpProxy, cache: RedisCacheClient, jobs: list[Job], as_user: APIClient
    ):
        warm(as_user, LIST)
        proxy.delay = DELAY
        wait_until(lambda: cache_status_once(as_user, LIST) == "BYPASS", 20, what="a bypass")

        replies = proxy.replies
        wait_until(lambda: proxy.replies >= replies + 2, what="two probes")
        assert cache.breaker.state is BreakerState.OPEN

        proxy.delay = 0
        wait_until(lambda: cache_status(as_user, LIST) == "HIT", what="a hit")
        assert cache.breaker.closed


@pytest.mark.engine_neutral
def test_slow_replies_open_the_breaker_only_if_they_are_the_most(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(timing, "SLOW_FOR", 0)
    monkeypatch.setattr(timing, "PROBE_EVERY", 3600)
    breaker = CircuitBreaker(probe=lambda: None, on_change=lambda _: None)
    for _ in range(20):
        breaker.responded(slow=True)
        breaker.responded(slow=False)
    assert breaker.closed

    for _ in range(3):
        breaker.responded(slow=True)
    assert not breaker.closed


@pytest.mark.engine_neutral
def test_the_breaker_does_not_open_without_a_thread_that_closes_it(monkeypatch: pytest.MonkeyPatch):
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(timing, "PROBE_EVERY", 3600)
    breaker = CircuitBreaker(probe=lambda: None, on_change=lambda _: None)
    with monkeypatch.context() as exhausted:
        exhausted.setattr(threading.Thread, "start", refuse)
        breaker.failed(timed_out=True)
    assert breaker.closed

    breaker.failed(timed_out=True)
    assert not breaker.closed


@pytest.mark.django_db(transaction=True)
class TestDripping:
    def test_a_reply_that_drips_times_out(
        self, proxy: TcpProxy, cache: RedisCacheClient, no_probe: None, jobs: list[Job], as_user: APIClient
    ):
        (body,) = warm(as_user, LIST).values()
        local_entries.entries.clear()
        sent, proxy.reply_bytes_per_second = proxy.reply_bytes, BYTES_PER_SECOND

        assert cache_status_once(as_user, LIST) == "BYPASS"

        assert cache.breaker.state is BreakerState.OPEN
        assert proxy.reply_bytes - sent < len(body) / 4

    def test_a_request_that_drips_times_out(self, proxy: TcpProxy, cache: RedisCacheClient, no_probe: None):
        cache.read(hiredis.pack_command(("PING",)))
        proxy.request_bytes_per_second = BYTES_PER_SECOND
        with pytest.raises(CacheUnavailable):
            cache.read(hiredis.pack_command(("ECHO", bytes(20_000_000))))

    def test_a_large_exchange_at_full_speed_does_not(self, cache: RedisCacheClient):
        body = bytes(2_000_000)
        assert cache.read(hiredis.pack_command(("ECHO", body))) == body

    def test_a_new_connection_times_out(self, proxy: TcpProxy, cache: RedisCacheClient, no_probe: None):
        proxy.reply_bytes_per_second = 10
        with pytest.raises(CacheUnavailable):
            cache.read(hiredis.pack_command(("PING",)))
        assert proxy.reply_bytes < 20

    def test_a_reply_to_the_library_times_out(
        self, proxy: TcpProxy, cache: RedisCacheClient, no_probe: None, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(timing, "LIBRARY_TIMEOUTS", 1)
        cache.call(lambda redis_client: redis_client.ping())
        sent, proxy.reply_bytes_per_second = proxy.reply_bytes, BYTES_PER_SECOND

        with pytest.raises(CacheUnavailable):
            cache.call(lambda redis_client: redis_client.info("everything"))

        assert proxy.reply_bytes - sent < 2 * BYTES_PER_SECOND
        assert cache.breaker.state is BreakerState.OPEN

    def test_many_replies_to_the_library_time_out_together(
        self, proxy: TcpProxy, cache: RedisCacheClient, no_probe: None, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(timing, "LIBRARY_TIMEOUTS", 1)

        def ping(redis_client):
            for _ in range(100):
                redis_client.ping()

        cache.call(ping)
        replies, proxy.delay = proxy.replies, DELAY

        with pytest.raises(CacheUnavailable):
            cache.call(ping)

        assert proxy.replies - replies < 10


@pytest.mark.engine_neutral
def test_the_probes_of_a_breaker_that_flaps_become_rare(monkeypatch: pytest.MonkeyPatch):
    pauses: list[float] = []
    changed = threading.Semaphore(0)
    others, sleep = threading.enumerate(), time.sleep

    def record(seconds: float) -> None:
        # The breakers of other tests go on probing.
        if threading.current_thread() in others:
            sleep(seconds)
        else:
            pauses.append(seconds)

    monkeypatch.setattr("orchestrator.cache.breaker.time.sleep", record)
    breaker = CircuitBreaker(probe=lambda: None, on_change=lambda _: changed.release())

    def open_and_close() -> None:
        breaker.failed(timed_out=True)
        changed.acquire()
        changed.acquire()

    for _ in range(7):
        open_and_close()
    assert pauses == [1, 2, 4, 8, 16, 30, 30]

    monkeypatch.setattr(timing, "FLAPPING_WITHIN", 0)
    open_and_close()
    assert pauses[-1] == 1
