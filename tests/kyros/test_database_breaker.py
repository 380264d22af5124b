"""The database's circuit breaker, with a clock that only the waits move."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from django.conf import LazySettings

from orchestrator.db import database_breaker
from orchestrator.db.database_breaker import RETRY_EVERY, SILENT_AFTER, DatabaseBreaker, bounded

pytestmark = pytest.mark.engine_neutral


class Unavailable(Exception):
    pass


class Clock:
    """A clock that waits move."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float | None] = []

    def wait(self, seconds: float | None) -> str:
        """Wait for all of the time, in vain."""
        self.waits.append(seconds)
        self.now += seconds or 0
        raise TimeoutError


def respond(seconds: float | None) -> str:
    return "a row"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(database_breaker, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def breaker(clock: Clock, settings: LazySettings) -> DatabaseBreaker:
    settings.DB_POOL_TIMEOUT = 5
    return DatabaseBreaker(Unavailable)


def in_web_thread(function: Callable[[], str]) -> str:
    """Call a function in a thread of its own, as the web server does; return its result or its error."""

    def application(environ, start_response):
        return function()

    with ThreadPoolExecutor(1) as threads:
        try:
            return threads.submit(bounded(application), {}, print).result()
        except Unavailable:
            return "unavailable"


def ask(breaker: DatabaseBreaker, attempt: Callable[[float | None], str]) -> str:
    return in_web_thread(lambda: breaker.wait(attempt, TimeoutError))


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let other threads wait for the database already, as many as may."""
    monkeypatch.setattr(database_breaker, "_patient_threads", SimpleNamespace(acquire=lambda blocking: False))


def test_a_thread_that_is_not_the_web_servers_waits_for_any_time(breaker, clock):
    with pytest.raises(TimeoutError):
        breaker.wait(clock.wait, TimeoutError)
    assert clock.waits == [None]


def test_a_thread_gives_up_within_the_time_out_and_the_next_are_refused_at_once(breaker, clock):
    assert ask(breaker, clock.wait) == "unavailable"
    assert sum(clock.waits) == pytest.approx(4.5)
    assert ask(breaker, pytest.fail) == "unavailable"


def test_one_thread_at_a_time_tries_again_and_its_response_closes_the_breaker(breaker, clock):
    ask(breaker, clock.wait)
    clock.now += RETRY_EVERY

    def respond_late(seconds):
        assert ask(breaker, pytest.fail) == "unavailable"
        return "a row"

    assert ask(breaker, respond_late) == "a row"
    assert ask(breaker, respond) == "a row"


def test_the_thread_that_tries_again_may_wait_twice(breaker, clock):
    ask(breaker, clock.wait)
    clock.now += RETRY_EVERY

    def connect_and_query():
        breaker.wait(respond, TimeoutError, responds=False)
        assert ask(breaker, pytest.fail) == "unavailable"
        return breaker.wait(respond, TimeoutError)

    assert in_web_thread(connect_and_query) == "a row"


def test_a_late_response_to_any_thread_closes_the_breaker(breaker, clock, no_patience):
    def respond_late(seconds):
        assert ask(breaker, clock.wait) == "unavailable"
        return "a row"

    assert ask(breaker, respond_late) == "a row"
    assert ask(breaker, respond) == "a row"


def test_where_others_wait_a_thread_gives_up_on_a_silent_database(breaker, clock, no_patience):
    assert ask(breaker, clock.wait) == "unavailable"
    assert clock.waits == [SILENT_AFTER]
    assert ask(breaker, pytest.fail) == "unavailable"


def test_where_others_wait_a_thread_waits_on_while_some_get_responses(breaker, clock, no_patience):
    def wait(seconds):
        clock.now += seconds / 2
        ask(breaker, respond)
        clock.waits.append(seconds)
        clock.now += seconds / 2
        raise TimeoutError

    assert ask(breaker, wait) == "unavailable"
    assert sum(clock.waits) == pytest.approx(4.5)
    assert ask(breaker, respond) == "a row"  # only that thread's statement was slow


def test_the_breaker_opens_when_a_connection_is_refused(breaker):
    in_web_thread(lambda: str(breaker.failed_to_connect()))
    assert ask(breaker, pytest.fail) == "unavailable"
