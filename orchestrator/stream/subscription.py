"""One client of the stream: what waits to be sent to it, and when it is cut off."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from orchestrator.stream import stream_metrics
from orchestrator.stream.access import Access
from orchestrator.stream.feeds import EventFilter

#: Bytes that may wait for a client; one with more is cut off when the next events come.
MAX_WAITING_BYTES: Final = 256 * 1024

#: Messages of more bytes are sent by the sender, in pieces.
MAX_DIRECT_BYTES: Final = 64 * 1024

#: Sends messages; returns None if that is done, else what to await, because the client reads slowly.
Send = Callable[[bytes], Awaitable[None] | None]


class Subscription:
    """The events that wait for one client.

    A task of the client, the sender, sends what waits. While it is idle, messages are sent without it: waking
    a thousand tasks costs more than sending.
    """

    def __init__(self, access: Access, event_filter: EventFilter, send: Send) -> None:
        """Create a subscription.

        Args:
            access: the client's right to follow.
            event_filter: which events it gets.
            send: sends the client messages.
        """
        self.access = access
        self.event_filter = event_filter
        #: Sends the client what waits; cancelled to end the client's stream.
        self.sender: asyncio.Task[None] | None = None
        self._send = send
        self._idle = False
        self._unfinished: Awaitable[None] | None = None
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._something = asyncio.Event()

    @property
    def is_slow(self) -> bool:
        """Return whether so much waits that a few pages more would cut the client off."""
        return self._bytes > MAX_WAITING_BYTES // 2

    def put(self, messages: bytes) -> None:
        """Send messages, or add them to those that wait; cut the client off if too much waits already."""
        if self._idle and len(messages) <= MAX_DIRECT_BYTES:
            self._unfinished = self._send(messages)
            if self._unfinished:
                self._idle = False
                self._something.set()
        elif self._bytes > MAX_WAITING_BYTES:
            stream_metrics.CUT_OFF.inc()
            self.close()
        else:
            self._waiting.append(messages)
            self._bytes += len(messages)
            self._something.set()

    def close(self) -> None:
        """End the client's stream; what waits is not sent."""
        if self.sender:
            self.sender.cancel()

    async def next(self) -> tuple[Awaitable[None] | None, bytes]:
        """Wait until there is something; return what has to be awaited first, and the messages that wait."""
        self._idle = not self._waiting
        try:
            await self._something.wait()
        finally:
            self._idle = False
        self._something.clear()
        unfinished, self._unfinished = self._unfinished, None
        messages, self._waiting, self._bytes = b"".join(self._waiting), [], 0
        return unfinished, messages
