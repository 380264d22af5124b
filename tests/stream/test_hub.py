"""The hub: one poll for all clients, and none without clients."""

import asyncio
from contextlib import suppress
from functools import partial
from uuid import uuid4

import pytest

from orchestrator.cache import barrier
from orchestrator.stream import hub as hub_module
from orchestrator.stream.feeds import EventFilter, EventPage, StreamedEvent
from orchestrator.stream.hub import Hub
from orchestrator.stream.subscription import MAX_WAITING_BYTES, Subscription

pytestmark = pytest.mark.engine_neutral


class Feed:
    """A feed of one event for each position, which is a number."""

    def __init__(self, done):
        self._done = done

    def now(self):
        self._done.append("now")
        return 0

    def read(self, after, until=None):
        self._done.append("read")
        event = StreamedEvent(uuid4(), "x", None, b"event")
        return EventPage((event,), after + 1, complete=True)


def test_a_poll_serves_all_clients_after_the_barrier(monkeypatch):
    done = []
    monkeypatch.setattr(barrier, "wait", lambda: done.append("barrier"))
    monkeypatch.setattr(hub_module, "MIN_POLL_SECONDS", 0.01)

    async def run():
        hub = Hub(Feed(done), lambda: True)
        running = asyncio.create_task(hub.run())
        hub.wake()  # nobody follows: the database is left alone
        await asyncio.sleep(0)
        sent = asyncio.Event()

        def send(message, number):
            done.append((number, message))
            if done[-2:] in ([(0, b"event"), (1, b"event")], [(1, b"event"), (0, b"event")]):
                sent.set()

        clients = [Subscription(None, EventFilter(), partial(send, number=number)) for number in range(2)]
        for client in clients:
            await hub.join(client)
            client._idle = True  # noqa: SLF001 - what its sender sets
        done.append("joined")
        hub.wake()
        await sent.wait()
        for client in clients:
            hub.leave(client)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    asyncio.run(run())
    assert done[0] == "now"
    last = done[done.index("joined") + 1 :]
    assert last[:2] == ["read", "barrier"]
    assert sorted(last[2:]) == [(0, b"event"), (1, b"event")]


class FeedWithPages(Feed):
    """Three pages wait behind the first position."""

    def read(self, after, until=None):
        return EventPage((), after + 1, complete=after >= 3)


def test_a_client_joins_when_the_hub_has_read_every_page(monkeypatch):
    monkeypatch.setattr(hub_module, "MIN_POLL_SECONDS", 0)

    async def run():
        hub = Hub(FeedWithPages([]), lambda: True)
        running = asyncio.create_task(hub.run())
        await hub.join(Subscription(None, EventFilter(), lambda _: None))
        joined_at = await hub.join(Subscription(None, EventFilter(), lambda _: None))
        running.cancel()
        return joined_at

    assert asyncio.run(run()) == 4


def test_a_hub_that_is_behind_reads_one_page_after_the_other(monkeypatch):
    monkeypatch.setattr(hub_module, "MIN_POLL_SECONDS", 3600)

    async def run():
        hub = Hub(FeedWithPages([]), lambda: True)
        hub._position = 0  # noqa: SLF001 - three pages wait behind it
        running = asyncio.create_task(hub.run())
        async with asyncio.timeout(30):
            joined_at = await hub.join(Subscription(None, EventFilter(), lambda _: None))
        running.cancel()
        return joined_at

    assert asyncio.run(run()) == 4


def test_a_hub_that_is_behind_waits_between_pages_for_a_client_who_reads_slowly(monkeypatch):
    monkeypatch.setattr(barrier, "wait", lambda: None)
    slow, quick = Subscription(None, EventFilter(), lambda _: None), Subscription(None, EventFilter(), None)
    slow.put(bytes(MAX_WAITING_BYTES))

    async def run():
        hub = Hub(FeedWithPages([]), lambda: True)
        hub._position = 0  # noqa: SLF001
        complete = await hub._poll()  # noqa: SLF001
        paces = []
        for client in (quick, slow):
            hub._groups[EventFilter()].add(client)  # noqa: SLF001 - as one that has joined
            paces.append(hub._pace(complete=complete))  # noqa: SLF001
        return paces

    assert asyncio.run(run()) == [hub_module.MIN_SECONDS_BETWEEN_PAGES, hub_module.MIN_POLL_SECONDS]
