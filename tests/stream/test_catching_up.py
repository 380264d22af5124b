"""Catching up: what a client gets while the process reads past events that its filter does not pass."""

import asyncio
from uuid import uuid4

import pytest

from kyros.stream_server import stream_application
from kyros.stream_server.stream_application import StreamApplication
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
