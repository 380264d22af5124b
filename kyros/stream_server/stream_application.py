"""Handles the requests to the event stream's process, in its event loop, without a thread for a client."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from corsheaders.signals import check_request_enabled
from django.conf import settings
from django.db import Error, connections
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.urls import resolve

from kyros.web_server.request_body import AsgiProtocol
from kyros.web_server.request_handler import Application, GranianRequest, Head
from kyros.web_server.wsgi_environ import environ_of
from orchestrator.cache.wakeups import Listener
from orchestrator.stream import database_feed, rights, tickets
from orchestrator.stream.access import SERVED_HERE, Access, StreamResponse
from orchestrator.stream.feeds import EventPage, Feed, Position
from orchestrator.stream.hub import Hub
from orchestrator.stream.subscription import Subscription

logger = logging.getLogger(__name__)

#: Clients of one process; more get a 503. Probes do not: a full process is a healthy one.
MAX_CLIENTS: Final = 5000
#: Threads that decide about new clients, and read what resuming clients have missed.
THREADS: Final = 4
#: A comment after so many seconds shows both sides, and proxies between them, that the connection lives.
COMMENT_SECONDS: Final = 15.0
#: A client that takes nothing for so long is cut off.
SEND_SECONDS: Final = 30.0
#: A piece of what is sent at once.
PIECE_BYTES: Final = 64 * 1024
#: Seconds between two checks of whether the users may still follow, and between two prunings of used tickets.
CHECK_SECONDS: Final = 2.0
PRUNE_SECONDS: Final = 60.0
#: What granian's `send` returns where nothing is left to await.
_DONE: Final = "PyEmptyAwaitable"

#: What this process serves; the web server serves the rest.
_STREAM: Final = b"/api/v1/events/stream/"
_PATHS: Final = (_STREAM, b"/healthz", b"/readyz")
#: A browser connects again this many milliseconds after the stream has ended.
_FIRST: Final = b": ok\nretry: 2000\n\n"
_COMMENT: Final = b": still here\n\n"


def _from_own_page(sender: object, request: HttpRequest, **_: Any) -> bool:  # noqa: ARG001 - Django's
    """Return whether a request comes from a page of the web server, on whatever host both are reached."""
    origin = request.headers.get("Origin")
    if origin is None:
        return False
    host, _port = split_domain_port(request.get_host())
    return origin == f"{request.scheme}://{host}:{settings.PORT}"


def create(django: Application, loop: asyncio.AbstractEventLoop) -> "StreamApplication":
    """Return the application with its hub.

    Args:
        django: the WSGI application.
        loop: the process's event loop.
    """
    check_request_enabled.connect(_from_own_page)
    resolve("/healthz")  # loads the views, so that the first client does not wait for them
    feed = database_feed.current()

    def wake() -> None:
        loop.call_soon_threadsafe(hub.wake)

    listener = Listener(wake)
    hub = Hub(feed, lambda: listener.listening)
    listener.start()
    return StreamApplication(django, loop, hub, feed)


class StreamApplication:
    """Serves the event stream."""

    def __init__(self, django: Application, loop: asyncio.AbstractEventLoop, hub: Hub, feed: Feed) -> None:
        """Create the application.

        Args:
            django: the WSGI application, which decides about each request.
            loop: the process's event loop.
            hub: the hub, which runs in the loop.
            feed: where resuming clients get what they have missed.
        """
        self._django = django
        self._loop = loop
        self._hub = hub
        self._feed = feed
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="stream")
        # Of its own, so that no client who catches up delays the end of another one's stream.
        self._rights_thread = ThreadPoolExecutor(1, thread_name_prefix="rights")
        self._clients = 0
        self._subscriptions: set[Subscription] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, request: GranianRequest) -> None:
        """Handle a request; granian calls this in a thread of its own."""
        self._loop.call_soon_threadsafe(self._start, request.scope, request.proto)

    async def run(self) -> None:
        """Do what is done for all clients, until the task is cancelled; raise what makes it fail."""
        async with asyncio.TaskGroup() as tasks:
            for work in (self._hub.run(), self._check_rights(), self._prune_tickets()):
                tasks.create_task(work)

    def _start(self, scope: dict[str, Any], protocol: AsgiProtocol) -> None:
        task = self._loop.create_task(self._handle(scope, protocol))
        self._tasks.add(task)  # the loop itself keeps weak references only
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log = logger.info if isinstance(error, TimeoutError) else logger.error
            log("A client's stream failed", exc_info=error)

    async def _handle(self, scope: dict[str, Any], protocol: AsgiProtocol) -> None:
        if scope["raw_path"] not in _PATHS:
            _respond(protocol, HTTPStatus.NOT_FOUND)
            return
        if scope["raw_path"] == _STREAM and self._clients >= MAX_CLIENTS:
            _respond(protocol, HTTPStatus.SERVICE_UNAVAILABLE, ("Retry-After", "10"))
            return
        self._clients += 1
        try:
            head, response = await self._in_thread(self._decide, scope)
            protocol.send(head.message())
            if isinstance(response, StreamResponse):
                await self._stream(protocol, response)
            else:
                protocol.send(_body(b"".join(response), more=False))
        finally:
            self._clients -= 1

    def _decide(self, scope: dict[str, Any]) -> tuple[Head, Any]:
        """Return Django's response to a request, without its events; runs in a thread."""
        head = Head()
        response: Any = self._django({**environ_of(scope), SERVED_HERE: True}, head)
        if hasattr(response, "close"):
            response.close()
        return head, response

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await self._loop.run_in_executor(self._threads, function, *arguments)

    async def _stream(self, protocol: AsgiProtocol, response: StreamResponse) -> None:
        """Send a client what it has missed, and then each new event, until it goes or is cut off."""
        send = partial(_send_now, protocol)
        subscription = Subscription(response.access, response.event_filter, send)
        self._subscriptions.add(subscription)
        sender = asyncio.create_task(self._send_all(protocol, response, subscription))
        gone = asyncio.create_task(_disconnect(protocol))
        subscription.sender = sender
        try:
            await asyncio.wait((sender, gone), return_when=asyncio.FIRST_COMPLETED)
            if sender.done() and not sender.cancelled():
                sender.result()
        finally:
            self._subscriptions.discard(subscription)
            self._hub.leave(subscription)
            sender.cancel()
            gone.cancel()
            protocol.send(_body(b"", more=False))

    async def _send_all(
        self, protocol: AsgiProtocol, response: StreamResponse, subscription: Subscription
    ) -> None:
        if response.position is None and await self._join(subscription) is not None:
            await _send(protocol, _FIRST)
        else:
            await self._resume(protocol, subscription, response.position)
        while True:
            await _send_next(protocol, subscription)

    async def _resume(
        self, protocol: AsgiProtocol, subscription: Subscription, position: Position | None
    ) -> None:
        """Send the events after a position, or from now on, until the hub has caught up and takes over."""
        if position is None:
            position = await self._in_thread(_database(self._feed.now))
        await _send(protocol, _FIRST)
        while True:
            position = await self._catch_up(protocol, subscription, position)
            if (joined_at := await self._join(subscription)) is not None:
                break
            await _send(protocol, _COMMENT)
        await self._catch_up(protocol, subscription, position, joined_at)

    async def _join(self, subscription: Subscription) -> Position | None:
        """Join the hub and return its position; None if the hub is far behind."""
        try:
            async with asyncio.timeout(COMMENT_SECONDS):
                return await self._hub.join(subscription)
        except TimeoutError:
            return None

    async def _catch_up(
        self,
        protocol: AsgiProtocol,
        subscription: Subscription,
        position: Position,
        until: Position | None = None,
    ) -> Position:
        """Send the events after a position, in pages, as fast as the client takes them.

        Returns:
            The position after them.
        """
        comment_at = self._loop.time() + COMMENT_SECONDS
        while True:
            page: EventPage = await self._in_thread(_database(self._feed.read), position, until)
            found = (each.message for each in page.events if subscription.event_filter in each.filters())
            messages = b"".join(found)
            if not messages and self._loop.time() >= comment_at:  # many events do not pass the filter
                messages = _COMMENT
            if messages:
                await _send(protocol, messages)
                comment_at = self._loop.time() + COMMENT_SECONDS
            position = page.position
            if page.complete:
                return position

    async def _check_rights(self) -> None:
        """End the streams of users who may no longer follow, again and again."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            accesses = {each.access for each in self._subscriptions}
            if accesses:
                with suppress(Error):  # while the database is away, nobody can be deactivated
                    lost = _database(rights.lost)
                    self._close(await self._loop.run_in_executor(self._rights_thread, lost, accesses))

    def _close(self, lost: Collection[Access]) -> None:
        for each in self._subscriptions:
            if each.access in lost:
                each.close()

    async def _prune_tickets(self) -> None:
        """Delete used tickets that have expired, again and again."""
        while True:
            await asyncio.sleep(PRUNE_SECONDS)
            with suppress(Error):  # the next time will do
                await self._in_thread(_database(tickets.prune))


def _database(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that gives the connection of its thread back when it has run."""

    def run(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        finally:
            connections.close_all()

    return run


async def _send_next(protocol: AsgiProtocol, subscription: Subscription) -> None:
    """Send what waits for a client, as soon as there is something, or a comment after a while."""
    try:
        async with asyncio.timeout(COMMENT_SECONDS):
            unfinished, messages = await subscription.next()
    except TimeoutError:
        unfinished, messages = None, _COMMENT
    if unfinished:
        async with asyncio.timeout(SEND_SECONDS):
            await unfinished
    await _send(protocol, messages)


def _send_now(protocol: AsgiProtocol, messages: bytes) -> Awaitable[None] | None:
    """Send messages; return None if that is done, else what has to be awaited."""
    sending = protocol.send(_body(messages, more=True))
    return None if type(sending).__name__ == _DONE else sending


async def _send(protocol: AsgiProtocol, messages: bytes) -> None:
    """Send messages as fast as the client takes them.

    Raises:
        TimeoutError: when it takes none for too long.
    """
    for start in range(0, len(messages), PIECE_BYTES):
        async with asyncio.timeout(SEND_SECONDS):
            await protocol.send(_body(messages[start : start + PIECE_BYTES], more=True))


async def _disconnect(protocol: AsgiProtocol) -> None:
    """Return when the client has disconnected."""
    while (await protocol.receive())["type"] != "http.disconnect":
        pass


def _body(content: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}


def _respond(protocol: AsgiProtocol, status: HTTPStatus, *headers: tuple[str, str]) -> None:
    head, content = Head(), b'{"detail":"%s."}' % status.phrase.encode()
    head(str(status.value), [("Content-Type", "application/json"), *headers])
    protocol.send(head.message())
    protocol.send(_body(content, more=False))
