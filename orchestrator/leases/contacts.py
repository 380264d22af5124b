"""When each worker was last heard of, for the console.

The rows are written outside the transactions of claims and heartbeats, and a process writes that of a worker
at most every few seconds: workers that poll an empty queue write next to nothing.
"""

import time
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Final

from orchestrator.db.functions import CurrentTimestamp
from orchestrator.models import Worker

#: Seconds for which a process writes no second contact of the same worker.
INTERVAL_SECONDS: Final = 10
#: Workers whose last contact a process remembers.
_MAX_REMEMBERED: Final = 10_000
#: How long a worker that is silent stays in the table.
KEPT_FOR: Final = timedelta(days=1)

_written: Final[OrderedDict[Hashable, float]] = OrderedDict()
_lock: Final = Lock()


def note_claim(worker: str, queues: Sequence[str] | None) -> None:
    """Record that a worker asked for jobs; ``queues`` is None for all of them."""
    names = None if queues is None else sorted(queues)
    if _is_news((worker, hash(tuple(names or ())))):  # the names of a hundred queues take 15 kB
        _write(worker, ["queues", "seen_at"], queues=names)


def note_heartbeat(worker: str) -> None:
    """Record that a worker sent a heartbeat."""
    if _is_news((worker, None)):
        _write(worker, ["seen_at"])


def prune(now: datetime) -> int:
    """Delete the workers that were silent for a day; return their number."""
    return Worker.objects.filter(seen_at__lt=now - KEPT_FOR).delete()[0]


def forget() -> None:
    """Forget which contacts this process has written, for example because their database is gone."""
    _written.clear()


def _is_news(contact: Hashable) -> bool:
    """Return whether a contact has to be written now, and remember that it is."""
    now = time.monotonic()
    with _lock:
        if now - _written.get(contact, -INTERVAL_SECONDS) < INTERVAL_SECONDS:
            return False
        _written[contact] = now
        _written.move_to_end(contact)
        if len(_written) > _MAX_REMEMBERED:
            _written.popitem(last=False)
    return True


def _write(worker: str, changed: list[str], **fields: Any) -> None:
    row = Worker(name=worker, seen_at=CurrentTimestamp(), **fields)
    Worker.objects.bulk_create([row], update_conflicts=True, unique_fields=["name"], update_fields=changed)
