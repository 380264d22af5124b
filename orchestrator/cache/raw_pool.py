"""A connection pool for the scripts, with less overhead per command than the client library's pool.

The library takes about as long to send a command (lock, connection check, counters, events, retries) as the
server takes to run it. This pool takes an idle connection from a deque and puts it back. The library opens
and closes the connections.

Every exchange has a deadline. A time-out of each ``recv`` alone would let a reply that drips hold a request
for as long as it drips.
"""

import os
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import hiredis
import redis
from redis.connection import DefaultParser
from redis.utils import SENTINEL

from orchestrator.cache import timing

T = TypeVar("T")

#: Bytes that one call of ``recv`` reads at most.
_READ_BYTES: Final = 64 * 1024

#: What the parser returns while a reply is incomplete.
_INCOMPLETE: Final = object()

_ERRORS: Final = {
    "NOSCRIPT": redis.exceptions.NoScriptError,
    "OOM": redis.exceptions.OutOfMemoryError,
}

_TOO_LATE: Final = "the cache server does not respond in time"

# The deadline of the operation that this thread runs with the library.
_thread = threading.local()


@contextmanager
def deadline_at(deadline: float) -> Iterator[None]:
    """Let this thread wait for replies to the library until a monotonic time, for all of them together."""
    _thread.deadline = deadline
    try:
        yield
    finally:
        _thread.deadline = None


class BoundedParser(DefaultParser):  # type: ignore[misc, valid-type]
    """The library's parser of replies, which keeps the thread's deadline."""

    def read_from_socket(self, timeout: Any = SENTINEL, raise_on_timeout: bool = True) -> bool:  # noqa: FBT001, FBT002 - the library's
        """Read what has arrived.

        Raises:
            redis.exceptions.TimeoutError: when nothing arrives within the socket's time-out or the deadline.
        """
        deadline = getattr(_thread, "deadline", None)
        if deadline is None:
            return bool(super().read_from_socket(timeout, raise_on_timeout))
        left = deadline - time.monotonic()
        if left <= 0:
            raise redis.exceptions.TimeoutError(_TOO_LATE)
        return bool(super().read_from_socket(min(left, self._socket_timeout)))


class RawPool:
    """The idle connections of one process to one server.

    Args:
        pool: the library's pool, which makes the connections. Their time-out is that of a whole exchange.
        on_late_error: called for each command of ``send`` that failed, or of which the reply was lost.
        check: raises the library's ``ConnectionError`` for a connection that may not be used.
    """

    def __init__(
        self, pool: Any, on_late_error: Callable[[], None], check: Callable[[Any], None] | None = None
    ) -> None:
        self._pool = pool
        self._check = check
        self._on_late_error = on_late_error
        self._timeout = float(pool.connection_kwargs["socket_timeout"])
        self._idle: deque[_RawConnection] = deque()  # append and pop are thread-safe
        os.register_at_fork(after_in_child=self._idle.clear)

    def call(self, command: bytes) -> tuple[Any, bool]:
        """Send one command. A connection that broke while idle is replaced.

        Args:
            command: the packed command.

        Returns:
            The reply, and whether it was slow.

        Raises:
            redis.exceptions.RedisError: when the call failed.
        """
        reply, slow = self._run(_RawConnection.exchange, command)
        if isinstance(reply, redis.exceptions.ResponseError):
            raise reply
        return reply, slow

    def send(self, command: bytes) -> None:
        """Send one command. The next command on the same connection reads the reply.

        Args:
            command: the packed command.

        Raises:
            redis.exceptions.RedisError: when the command could not be sent.
        """
        self._run(_RawConnection.send, command)

    def _run(self, operation: Callable[["_RawConnection", bytes, float], T], command: bytes) -> T:
        """Return the result of an operation on an idle or new connection."""
        started = time.monotonic()
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect(started)
        try:
            if self._check:
                self._check(connection.library_connection)
            result = operation(connection, command, started)
        except redis.exceptions.ConnectionError:
            connection = self._connect(started)
            result = operation(connection, command, started)
        self._idle.append(connection)
        return result

    def _connect(self, started: float) -> "_RawConnection":
        with deadline_at(started + self._timeout):
            return _RawConnection(self._pool.make_connection(), self._timeout, self._on_late_error)


class _RawConnection:
    """A connection that the library opens and closes. An error closes it, and it must be dropped.

    The operating system enforces the time-outs. A socket with a Python time-out needs two system calls per
    read: ``poll`` and ``recv``. TLS sockets need the Python time-out.

    At first a socket waits only until the exchange is slow, then for what is left of the time-out. So the
    operating system decides what is slow: a clock would also measure how long a busy process takes to let
    this thread go on.

    Args:
        connection: the library's connection.
        timeout: seconds that an exchange may take.
        on_late_error: see ``RawPool``.
    """

    def __init__(self, connection: Any, timeout: float, on_late_error: Callable[[], None]) -> None:
        connection.connect()
        self.library_connection = connection
        self._socket: socket.socket = connection._sock  # noqa: SLF001 - the library does not use it meanwhile
        self._parser = hiredis.Reader(
            protocolError=redis.exceptions.InvalidResponse, replyError=_error_from, notEnoughData=_INCOMPLETE
        )
        self._timeout, self._slow_after = timeout, timeout * timing.SLOW_SHARE
        self._on_late_error = on_late_error
        self._late = 0  # replies to ``send`` that are still to be read
        self._started = 0.0
        self._was_slow = False
        if not isinstance(self._socket, ssl.SSLSocket):
            self._socket.settimeout(None)
        self._set_timeout(self._slow_after)

    def exchange(self, command: bytes, started: float) -> tuple[Any, bool]:
        """Send a command; return the reply, and whether it was slow. An error reply is returned, not raised.

        Args:
            command: the packed command.
            started: the monotonic time at which the exchange began.

        Raises:
            redis.exceptions.TimeoutError: when the server did not respond in time.
            redis.exceptions.ConnectionError: when the connection is broken.
        """
        with self._bounded(started):
            self._send(command)
            while self._late:
                late = self._reply()
                self._late -= 1
                if isinstance(late, redis.exceptions.ResponseError):
                    self._on_late_error()
            return self._reply(), self._was_slow

    def send(self, command: bytes, started: float) -> None:
        """Send a command, of which the next exchange reads the reply; see ``exchange``."""
        with self._bounded(started):
            self._send(command)
        self._late += 1

    @contextmanager
    def _bounded(self, started: float) -> Iterator[None]:
        """Run operations of the socket with one deadline; an error closes the connection."""
        self._started, self._was_slow = started, False
        try:
            yield
            if self._was_slow:
                self._set_timeout(self._slow_after)
        except (BlockingIOError, TimeoutError) as error:
            self._disconnect()
            raise redis.exceptions.TimeoutError(_TOO_LATE) from error
        except OSError as error:
            self._disconnect()
            raise redis.exceptions.ConnectionError(str(error)) from error

    def _disconnect(self) -> None:
        self.library_connection.disconnect()
        for _ in range(self._late):
            self._on_late_error()

    def _send(self, command: bytes) -> None:
        sent = self._timed(self._socket.send, command)
        while sent < len(command):
            self._was_slow = True  # a blocking socket sends a part only if its time-out expires
            sent += self._timed(self._socket.send, memoryview(command)[sent:])

    def _reply(self) -> Any:
        parts = 0
        while True:
            reply = self._parser.gets()
            if reply is _INCOMPLETE:
                received = self._timed(self._socket.recv, _READ_BYTES)
                if not received:
                    raise ConnectionResetError("the cache server has closed the connection")
                self._parser.feed(received)
                parts += 1
                if parts > 1 and time.monotonic() > self._started + self._slow_after:
                    self._was_slow = True  # together, though perhaps no part was
            elif not isinstance(reply, hiredis.PushNotification):
                return reply

    def _timed(self, operation: Callable[[Any], Any], argument: Any) -> Any:
        """Run an operation of the socket until the deadline, and note if it is slow."""
        at_least = 0.0
        if not self._was_slow:
            try:
                return operation(argument)
            except (BlockingIOError, TimeoutError):
                # Until this thread goes on, the deadline may have passed and the reply have come.
                self._was_slow, at_least = True, self._slow_after
        left = max(at_least, self._started + self._timeout - time.monotonic())
        if left <= 0:
            raise TimeoutError(_TOO_LATE)
        self._set_timeout(left)
        return operation(argument)

    def _set_timeout(self, seconds: float) -> None:
        if isinstance(self._socket, ssl.SSLSocket):
            self._socket.settimeout(seconds)
            return
        whole, rest = divmod(seconds, 1)
        # At least a microsecond: 0 would mean no time-out.
        timeval = struct.pack("ll", int(whole), int(rest * 1_000_000) or 1)
        for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._socket.setsockopt(socket.SOL_SOCKET, direction, timeval)


def _error_from(text: str) -> redis.exceptions.ResponseError:
    """Return the exception for an error reply."""
    return _ERRORS.get(text.partition(" ")[0], redis.exceptions.ResponseError)(text)
