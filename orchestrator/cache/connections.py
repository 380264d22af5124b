"""Connections to the cache server, for the scripts that every request and every write waits for.

The library's own way of sending a command (a lock, a look whether the connection is still good, counters,
events, retries) takes as long as the command. Here a connection is taken from a list and put back.
"""

import os
from collections import deque
from typing import Any

import hiredis
import redis


class Connections:
    """The idle connections of one process to one server.

    Args:
        pool: the library's, which knows how to make a connection.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._idle: deque[Any] = deque()  # whose ends may be taken from any thread
        os.register_at_fork(after_in_child=self._idle.clear)

    def ask(self, *command: Any) -> Any:
        """Send one command and return the reply; a connection that broke while it was idle is replaced.

        Args:
            command: strings, bytes or numbers.

        Raises:
            redis.exceptions.RedisError: when there is no good reply.
        """
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._pool.make_connection()
        try:
            reply = _exchange(connection, command)
        except redis.exceptions.ResponseError:
            self._idle.append(connection)  # the server has answered: it refuses
            raise
        self._idle.append(connection)
        return reply


def _exchange(connection: Any, command: tuple[Any, ...]) -> Any:
    """Return the reply to a command. What fails in any other way than by a refusal closes the connection."""
    packed = [hiredis.pack_command(command)]
    try:
        connection.send_packed_command(packed)
        return connection.read_response()
    except redis.exceptions.ConnectionError:
        connection.send_packed_command(packed)  # which connects anew
        return connection.read_response()
