"""Answers that this process has already fetched and checked, by their spec."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from orchestrator.cache.scripts import Validators
from orchestrator.cache.spec import Lookup

#: Bytes of bodies kept at most by one process.
LIMIT: Final = 8 * 1024 * 1024


@dataclass(frozen=True)
class VerifiedEntry:
    """An answer whose body is what its ETag says, and whose seal is genuine.

    Args:
        validators: while the cache server has the same, all is checked.
        found: the answer.
        body: of the answer.
    """

    validators: Validators
    found: Lookup
    body: bytes


class LocalEntries:
    """A bounded memory of answers; those that were fetched first go first.

    Whether one is still the answer to its spec is decided by the generations, at every request; this
    only spares the server sending, and the process checking, the same bytes again.

    Args:
        limit: bytes of bodies kept at most.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._size = 0
        self._answers: OrderedDict[str, VerifiedEntry] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: str) -> VerifiedEntry | None:
        """Return what was last seen of a spec, or None."""
        return self._answers.get(digest)

    def keep(self, digest: str, answer: VerifiedEntry) -> None:
        """Keep an answer, unless it alone is larger than a quarter of the limit."""
        if len(answer.body) * 4 > self._limit:
            return
        with self._lock:
            old = self._answers.pop(digest, None)
            self._size += len(answer.body) - (len(old.body) if old else 0)
            self._answers[digest] = answer
            while self._size > self._limit:
                _, dropped = self._answers.popitem(last=False)
                self._size -= len(dropped.body)

    def clear(self) -> None:
        """Forget all answers."""
        with self._lock:
            self._answers.clear()
            self._size = 0


kept = LocalEntries()
