"""Bodies that this process has already fetched and checked, by their ETag."""

import threading
from collections import OrderedDict
from typing import Final

#: Bytes of bodies kept at most by one process.
LIMIT: Final = 8 * 1024 * 1024


class Bodies:
    """A bounded memory of bodies, least recently used out first.

    Whether a body is still the answer to a question is decided by the generations, at every request; this
    only spares the server sending, and the process checking, the same bytes again.

    Args:
        limit: bytes of bodies kept at most.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._size = 0
        self._bodies: OrderedDict[str, tuple[bytes, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def etag(self, digest: str) -> bytes:
        """Return the ETag of the body last seen for a question, or nothing."""
        kept = self._bodies.get(digest)
        return kept[0] if kept else b""

    def get(self, digest: str, etag: bytes) -> bytes | None:
        """Return the body of that ETag, or None if it is not the one kept for the question."""
        with self._lock:
            kept = self._bodies.get(digest)
            if kept is None or kept[0] != etag:
                return None
            self._bodies.move_to_end(digest)
            return kept[1]

    def keep(self, digest: str, etag: bytes, body: bytes) -> None:
        """Keep a body, unless it alone is larger than a quarter of the limit."""
        if len(body) * 4 > self._limit:
            return
        with self._lock:
            old = self._bodies.pop(digest, None)
            self._size += len(body) - (len(old[1]) if old else 0)
            self._bodies[digest] = (etag, body)
            while self._size > self._limit:
                _, (_, dropped) = self._bodies.popitem(last=False)
                self._size -= len(dropped)

    def clear(self) -> None:
        """Forget all bodies."""
        with self._lock:
            self._bodies.clear()
            self._size = 0


kept = Bodies()
