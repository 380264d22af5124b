"""A connection pool for the scripts, with less overhead per command than the client library's pool.

The library takes about as long to send a command (lock, connection check, counters, events, retries) as the
server takes to run it. This pool takes an idle connection from a deque and puts it back. The library opens
and closes the connections.
"""

import os
import socket
import ssl
import struct
from collections import deque
from typing import Any, Final

import hiredis
import redis

#: Bytes that one call of ``recv`` reads at most.
_READ_BYTES: Final = 64 * 1024

#: What the parser returns while a reply is incomplete.
_INCOMPLETE: Final = object()

_ERRORS: Final = {
    "NOSCRIPT": redis.exceptions.NoScriptError,
    "OOM": redis.exceptions.OutOfMemoryError,
}


class RawPool:
    """The idle connections of one process to one server.

    Args:
        pool: the library's pool, which makes the connections.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._idle: deque[_RawConnection] = deque()  # append and pop are thread-safe
        os.register_at_fork(after_in_child=self._idle.clear)

    def call(self, command: bytes) -> Any:
        """Send one command and return the reply. A connection that broke while idle is replaced.

        Args:
            command: the packed command.

        Raises:
            redis.exceptions.RedisError: when the call failed.
        """
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = _RawConnection(self._pool.make_connection())
        try:
            reply = connection.exchange(command)
        except redis.exceptions.ConnectionError:
            connection = _RawConnection(self._pool.make_connection())
            reply = connection.exchange(command)
        self._idle.append(connection)
        if isinstance(reply, redis.exceptions.ResponseError):
            raise reply
        return reply


class _RawConnection:
    """A connection that the library opens and closes. An error closes it, and it must be dropped.

    The operating system enforces the time-out of each call. A socket with a Python time-out needs two system
    calls per read: ``poll`` and ``recv``. TLS sockets need the Python time-out.

    Args:
        connection: the library's connection; its time-out applies to each call.
    """

    def __init__(self, connection: Any) -> None:
        connection.connect()
        self._connection = connection
        self._socket: socket.socket = connection._sock  # noqa: SLF001 - the library does not use it meanwhile
        self._parser = hiredis.Reader(
            protocolError=redis.exceptions.InvalidResponse, replyError=_error_from, notEnoughData=_INCOMPLETE
        )
        timeout = self._socket.gettimeout()
        if timeout and not isinstance(self._socket, ssl.SSLSocket):
            seconds, rest = divmod(timeout, 1)
            timeval = struct.pack("ll", int(seconds), int(rest * 1_000_000))
            self._socket.settimeout(None)
            for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                self._socket.setsockopt(socket.SOL_SOCKET, direction, timeval)

    def exchange(self, command: bytes) -> Any:
        """Send a command and return the reply. An error reply is returned, not raised.

        Raises:
            redis.exceptions.TimeoutError: when the server did not respond in time.
            redis.exceptions.ConnectionError: when the connection is broken.
        """
        try:
            self._socket.sendall(command)
            return self._reply()
        except (BlockingIOError, TimeoutError) as error:
            self._connection.disconnect()
            raise redis.exceptions.TimeoutError("the cache server does not respond in time") from error
        except OSError as error:
            self._connection.disconnect()
            raise redis.exceptions.ConnectionError(str(error)) from error

    def _reply(self) -> Any:
        while True:
            reply = self._parser.gets()
            if reply is _INCOMPLETE:
                received = self._socket.recv(_READ_BYTES)
                if not received:
                    raise ConnectionResetError("the cache server has closed the connection")
                self._parser.feed(received)
            elif not isinstance(reply, hiredis.PushNotification):
                return reply


def _error_from(text: str) -> redis.exceptions.ResponseError:
    """Return the exception for an error reply."""
    return _ERRORS.get(text.partition(" ")[0], redis.exceptions.ResponseError)(text)
