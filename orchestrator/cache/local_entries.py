"""Entries that this process has already fetched and verified."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from orchestrator.cache.scripts import EntryHeader
from orchestrator.cache.spec import Lookup

#: Bytes that one process keeps at most.
MAX_BYTES: Final = 8 * 1024 * 1024
#: Bytes of an entry without its body: a small body is not free.
ENTRY_BYTES: Final = 1024


@dataclass(frozen=True)
class VerifiedEntry:
    """An entry whose signature is valid and whose body matches its ETag.

    Args:
        header: while the cache server has an entry with the same header, this one is valid.
        lookup: the result of looking the entry up.
        body: the entry's body.
    """

    header: EntryHeader
    lookup: Lookup
    body: bytes

    @property
    def size(self) -> int:
        """The bytes of memory that the entry takes, about."""
        return ENTRY_BYTES + len(self.body)


class LocalEntries:
    """A bounded store of verified entries, by their spec's digest. It drops the oldest first.

    The generations decide at every request whether an entry is still valid. This store only saves the server
    sending, and the process verifying, the same bytes again.

    Args:
        max_bytes: bytes kept at most.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._size = 0
        self._entries: OrderedDict[str, VerifiedEntry] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: str) -> VerifiedEntry | None:
        """Return the last verified entry of a spec, or None."""
        return self._entries.get(digest)

    def keep(self, digest: str, entry: VerifiedEntry) -> None:
        """Keep an entry, unless it alone is larger than a quarter of the limit."""
        if entry.size * 4 > self._max_bytes:
            return
        with self._lock:
            old = self._entries.pop(digest, None)
            self._size += entry.size - (old.size if old else 0)
            self._entries[digest] = entry
            while self._size > self._max_bytes:
                _, dropped = self._entries.popitem(last=False)
                self._size -= dropped.size

    def clear(self) -> None:
        """Drop all entries."""
        with self._lock:
            self._entries.clear()
            self._size = 0


entries = LocalEntries()
