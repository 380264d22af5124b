"""The hub: it reads new events once for all clients, and hands each client those of its filter.

It runs in an event loop. A poll of the database runs in a thread; everything else is done in the loop, so
the position and the subscriptions always match.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from django.db import Error, connections

from orchestrator.cache import barrier
from orchestrator.stream import stream_metrics
from orchestrator.stream.feeds import EventFilter, EventPage, Feed, Position, StreamedEvent
from orchestrator.stream.subscription import Subscription

logger = logging.getLogger(__name__)

#: Seconds between the beginnings of two polls: events of this time are sent together.
MIN_POLL_SECONDS: Final = 0.1
#: The same while more events wait than a poll reads, and no client is slow.
MIN_SECONDS_BETWEEN_PAGES: Final = 0.01
#: Seconds after which the database is polled without a wake-up: one may be lost; and while there are none.
MAX_POLL_SECONDS: Final = 1.0
POLL_SECONDS_WITHOUT_WAKEUPS: Final = 0.2
#: Seconds until the next poll after the database did not respond.
RETRY_SECONDS: Final = 0.5


class Hub:
    """The subscriptions of all clients, and the position up to which they have the events."""

    def __init__(self, feed: Feed, wakeups_arrive: Callable[[], bool]) -> None:
        """Create a hub.

        Args:
            feed: the events.
            wakeups_arrive: returns whether ``wake`` is called after each commit of an event.
        """
        self._feed = feed
        self._wakeups_arrive = wakeups_arrive
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="poll")
        self._groups: defaultdict[EventFilter, set[Subscription]] = defaultdict(set)
        self._joining: list[asyncio.Future[None]] = []
        self._woken = asyncio.Event()
        self._position: Position | None = None

    def wake(self) -> None:
        """Poll the database soon; called in the event loop."""
        self._woken.set()

    async def join(self, subscription: Subscription) -> Position:
        """Add a subscription and return the position after which it gets the events.

        Waits while the hub is behind the database.
        """
        # Polls that begin now and read everything give a position that is not older than the client's.
        polled = asyncio.get_running_loop().create_future()
        self._joining.append(polled)
        self.wake()
        await polled
        self._groups[subscription.event_filter].add(subscription)
        stream_metrics.CLIENTS.inc()
        return self._position

    def leave(self, subscription: Subscription) -> None:
        """Remove a subscription, if it was added."""
        group = self._groups.get(subscription.event_filter, set())
        if subscription in group:
            group.remove(subscription)
            stream_metrics.CLIENTS.dec()
        if not group:
            self._groups.pop(subscription.event_filter, None)

    async def run(self) -> None:
        """Poll until the task is cancelled. Without clients the database is left alone."""
        while True:
            await self._wait()
            began, complete = time.monotonic(), True
            try:
                complete = await self._poll()
            except Error as error:
                # Without a traceback: while the database is away, every poll gets here.
                logger.error("The event stream cannot read the database: %s", error)  # noqa: TRY400
                await asyncio.sleep(RETRY_SECONDS)
            await asyncio.sleep(began + self._pace(complete=complete) - time.monotonic())

    def _pace(self, *, complete: bool) -> float:
        """Return the seconds between the beginnings of the last poll and the next one."""
        if complete or any(each.is_slow for group in self._groups.values() for each in group):
            return MIN_POLL_SECONDS
        return MIN_SECONDS_BETWEEN_PAGES

    async def _wait(self) -> None:
        """Return when it is time for a poll."""
        while not self._groups and not self._joining:
            self._position = None
            self._woken.clear()
            await self._woken.wait()
        seconds = MAX_POLL_SECONDS if self._wakeups_arrive() else POLL_SECONDS_WITHOUT_WAKEUPS
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()

    async def _poll(self) -> bool:
        """Read the new events once, hand them over, and let those join who wait for it.

        Returns:
            Whether the page has all events there are.
        """
        joining, self._joining = self._joining, []
        try:
            page = await asyncio.get_running_loop().run_in_executor(self._thread, self._read, self._position)
        except Error:
            self._joining = [*joining, *self._joining]
            raise
        self._position = page.position
        self._hand_over(page.events)
        joining = [each for each in joining if not each.done()]  # the clients of the others have gone
        if not page.complete:
            self._joining = [*joining, *self._joining]
            self.wake()
            return False
        for each in joining:
            each.set_result(None)
        return True

    def _read(self, position: Position | None) -> EventPage:
        """Read the events after a position; runs in the thread."""
        try:
            if position is None:
                return EventPage((), self._feed.now(), complete=True)
            page = self._feed.read(position)
            if page.events:
                barrier.wait()  # what a client then reads must not be older than the events
        except Error:
            connections.close_all()
            raise
        return page

    def _hand_over(self, events: tuple[StreamedEvent, ...]) -> None:
        messages: defaultdict[EventFilter, list[bytes]] = defaultdict(list)
        for event in events:
            for event_filter in event.filters():
                if event_filter in self._groups:
                    messages[event_filter].append(event.message)
        for event_filter, found in messages.items():
            joined = b"".join(found)
            for subscription in self._groups[event_filter]:
                subscription.put(joined)
            stream_metrics.MESSAGES.inc(len(found) * len(self._groups[event_filter]))
        if events and (age := events[0].age) is not None:
            stream_metrics.LAG.observe(max(0.0, age))
