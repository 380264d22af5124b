"""Catching up: what clients get while the process reads what some of them have missed."""

import asyncio
import threading
from contextlib import suppress
from uuid import uuid4

import pytest

from kyros.stream_server import stream_application
from kyros.stream_server.stream_application import StreamApplication
from orchestrator.stream import rights
from orchestrator.stream.access import Access
from orchestrator.stream.feeds import EventFilter, EventPage, StreamedEvent
from orchestrator.stream.subscription import Subscription

pytestmark = pytest.mark.engine_neutral


class Feed:
    """Three pages of events of another type."""

    def read(self, after, until=None):
        event = StreamedEvent(uuid4(), "other", None, b"event")
        return EventPage((event,), after + 1, complete=after == 2)


class Protocol:
    def __init__(self):
        self.sent = []

    async def send(self, message):
        self.sent.append(message["body"])


@pytest.mark.parametrize(("seconds", "sent"), [(0.0, [b": still here\n\n"] * 3), (60.0, [])])
def test_a_filter_that_no_event_passes_leaves_the_client_comments(monkeypatch, seconds, sent):
    monkeypatch.setattr(stream_application, "COMMENT_SECONDS", seconds)
    protocol = Protocol()
    subscription = Subscription(None, EventFilter(type="x"), lambda _: None)

    async def run():
        application = StreamApplication(None, asyncio.get_running_loop(), None, Feed())
        return await application._catch_up(protocol, subscription, 0)  # noqa: SLF001 - a part of a stream

    assert asyncio.run(run()) == 3
    assert protocol.sent == sent


class HangingFeed:
    """Events that cannot be read, for example because a migration has locked them."""

    def __init__(self):
        self.go_on = threading.Event()

    def read(self, after, until=None):
        self.go_on.wait()
        return EventPage((), after, complete=True)


def test_a_user_loses_the_stream_although_clients_that_catch_up_use_all_threads(monkeypatch):
    monkeypatch.setattr(stream_application, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(rights, "lost", frozenset)
    feed = HangingFeed()

    async def run():
        application = StreamApplication(None, asyncio.get_running_loop(), None, feed)
        follower = Subscription(Access(uuid4(), "x"), EventFilter(), lambda _: None)
        follower.sender = asyncio.create_task(asyncio.sleep(60))
        application._subscriptions.add(follower)  # noqa: SLF001 - as a client that follows
        late = [application._catch_up(Protocol(), follower, 0) for _ in range(stream_application.THREADS)]  # noqa: SLF001
        tasks = [asyncio.create_task(each) for each in (*late, application._check_rights())]  # noqa: SLF001
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.wait([follower.sender]), 5)
            return follower.sender.cancelled()
        finally:
            feed.go_on.set()
            for each in tasks:
                each.cancel()

    assert asyncio.run(run())


class LateHub:
    """A hub that a client can join at the third attempt: until then it is far behind."""

    def __init__(self):
        self.attempts = 0

    async def join(self, subscription):
        self.attempts += 1
        if self.attempts <= 2:
            await asyncio.Event().wait()
        return 10


class CountingFeed:
    """An event for each number from the current one, 5, to the hub's position."""

    def now(self):
        return 5

    def read(self, after, until=None):
        event = StreamedEvent(uuid4(), "x", None, b"%d" % after)
        return EventPage((event,), after + 1, complete=until is None or after + 1 >= until)


def test_a_new_client_reads_by_itself_while_the_hub_is_far_behind(monkeypatch):
    monkeypatch.setattr(stream_application, "COMMENT_SECONDS", 0.01)
    protocol, subscription = Protocol(), Subscription(None, EventFilter(), lambda _: None)

    async def run():
        application = StreamApplication(None, asyncio.get_running_loop(), LateHub(), CountingFeed())
        assert await application._join(subscription) is None  # noqa: SLF001 - a part of a stream
        await application._resume(protocol, subscription, None)  # noqa: SLF001

    asyncio.run(run())
    sent = [each for each in protocol.sent if each != b": still here\n\n"]
    assert sent == [b": ok\nretry: 2000\n\n", b"5", b"6", b"7", b"8", b"9"]
