"""The keeper's word that the database is silent: while it stands, what the cache knew last is true.

Why that is so is told in ``docs/adr/0010-coherent-cache.md``, under *Silence*.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from monitoring.limits import SILENT_AFTER
from orchestrator.cache import keys
from orchestrator.cache.server import CacheUnavailableError, Server

#: Seconds for which a word stands: whoever heeds it has waited for longer, so it was given after they came.
WORD: Final = SILENT_AFTER - 0.01

#: Seconds between two words.
WORD_EVERY: Final = 0.03

#: Seconds within which a database that answers anybody has answered the keeper.
ANSWERS_WITHIN: Final = 0.03


class Silence:
    """What one keeper knows of the database's silence, and the thread that tells the cache server of it.

    The keeper itself cannot: it hangs in the very question that is not answered.

    Args:
        server: the cache server.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._lease_ends = 0.0  # that of the last time the outbox was found empty; by the monotonic clock
        self._waiting = False

    @contextmanager
    def question(self) -> Iterator[None]:
        """Have a question to the database asked: until it is answered, the database may be silent."""
        # One that a living database could answer after the lease's end proves nothing: what was acknowledged
        # meanwhile is not known.
        self._waiting = time.monotonic() < self._lease_ends - ANSWERS_WITHIN
        try:
            yield
        finally:
            self._waiting = False

    def drained(self, at: float) -> None:
        """Note that the outbox was found empty.

        Args:
            at: a moment before it was looked at, by the monotonic clock.
        """
        self._lease_ends = at + keys.LEASE

    def tell(self, stop: threading.Event) -> None:
        """Give the word again and again while the database is silent, until told to stop.

        Args:
            stop: ends the telling when set.
        """
        while not stop.wait(WORD_EVERY):
            if self._waiting and time.monotonic() >= self._lease_ends:
                self._tell_once()

    def _tell_once(self) -> None:
        """Give the word, unless the answer has come by now; a server that is away is told nothing."""
        try:
            until = self._server.clock() + int(WORD * 1000)
            if self._waiting:  # asked after the clock, so that no word reaches further than it may
                self._server.ask(lambda client: client.set(keys.silence(), 1, pxat=until))
        except CacheUnavailableError:
            return
