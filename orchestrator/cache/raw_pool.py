"""RawPool to the cache server, for the scripts that every request and every write waits for.

The library's own way of sending a command (a lock, a look whether the connection is still good, counters,
events, retries) takes as long as the command. Here a connection is taken from a list and put back, and what
the library has connected is spoken to without it.
"""

import os
import socket
import ssl
import struct
from collections import deque
from typing import Any, Final

import hiredis
import redis

#: Bytes that one call reads at most.
_READ: Final = 64 * 1024

#: What the reader of replies says where it has none that is complete.
_INCOMPLETE: Final = object()

_REFUSALS: Final = {
    "NOSCRIPT": redis.exceptions.NoScriptError,
    "OOM": redis.exceptions.OutOfMemoryError,
}


class RawPool:
    """The idle connections of one process to one server.

    Args:
        pool: the library's, which knows how to make a connection.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._idle: deque[_Line] = deque()  # whose ends may be taken from any thread
        os.register_at_fork(after_in_child=self._idle.clear)

    def call(self, command: bytes) -> Any:
        """Send one command and return the reply; a connection that broke while it was idle is replaced.

        Args:
            command: packed, as it goes to the server.

        Raises:
            redis.exceptions.RedisError: when there is no good reply.
        """
        try:
            line = self._idle.pop()
        except IndexError:
            line = _Line(self._pool.make_connection())
        try:
            reply = line.exchange(command)
        except redis.exceptions.ConnectionError:
            line = _Line(self._pool.make_connection())
            reply = line.exchange(command)
        self._idle.append(line)
        if isinstance(reply, redis.exceptions.ResponseError):
            raise reply
        return reply


class _Line:
    """A connection that the library has made and closes; whoever gets an error from it drops it.

    The system bounds each call's time. A socket with a time-out of Python's own asks the system twice each
    time: whether it would have to wait, and then for what there is. TLS needs Python's.

    Args:
        connection: the library's, whose time-out is that of each call.
    """

    def __init__(self, connection: Any) -> None:
        connection.connect()
        self._connection = connection
        self._socket: socket.socket = connection._sock  # noqa: SLF001 - the library lends it to nobody
        self._reader = hiredis.Reader(
            protocolError=redis.exceptions.InvalidResponse, replyError=_refusal, notEnoughData=_INCOMPLETE
        )
        timeout = self._socket.gettimeout()
        if timeout and not isinstance(self._socket, ssl.SSLSocket):
            seconds, rest = divmod(timeout, 1)
            bound = struct.pack("ll", int(seconds), int(rest * 1_000_000))  # a timeval
            self._socket.settimeout(None)
            for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                self._socket.setsockopt(socket.SOL_SOCKET, direction, bound)

    def exchange(self, command: bytes) -> Any:
        """Send a command and return the reply; a refusal is returned, not raised.

        Raises:
            redis.exceptions.TimeoutError: when the server did not take the command, or answer it, in time.
            redis.exceptions.ConnectionError: when the connection is broken.
        """
        try:
            self._socket.sendall(command)
            return self._reply()
        except (BlockingIOError, TimeoutError) as error:
            raise redis.exceptions.TimeoutError("the cache server does not answer in time") from error
        except OSError as error:
            raise redis.exceptions.ConnectionError(str(error)) from error

    def _reply(self) -> Any:
        while True:
            reply = self._reader.gets()
            if reply is _INCOMPLETE:
                received = self._socket.recv(_READ)
                if not received:
                    raise ConnectionResetError("the cache server has closed the connection")
                self._reader.feed(received)
            elif not isinstance(reply, hiredis.PushNotification):
                return reply


def _refusal(text: str) -> redis.exceptions.ResponseError:
    """Return the error that the server answered instead of a reply."""
    return _REFUSALS.get(text.partition(" ")[0], redis.exceptions.ResponseError)(text)
