"""Wake-ups: the scripts that end writes publish that events were committed; the event stream listens.

They carry nothing. A listener reads the database, and does so now and then without a wake-up, because one may
be lost.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestrator.cache import failover, keys, tags
from orchestrator.cache.failover import ServerGroup

logger = logging.getLogger(__name__)

#: Seconds between two pings, and after which a server that has not responded to one is given up.
_PING_EVERY: Final = 0.5
_SILENT_AFTER: Final = 1.5
#: Seconds until the next attempt to connect.
_RETRY_AFTER: Final = 0.5


def _connect(url: str) -> redis.Redis:
    if settings.CACHE_SENTINELS:
        # Any primary will do, because wake-ups are only hints.
        client: redis.Redis = failover.connect(settings.CACHE_SENTINELS, ServerGroup())
    else:
        client = redis.Redis.from_url(url)
    client.set_retry(Retry(NoBackoff(), 0))
    return client


class Listener:
    """Listens for commits of events, in a thread."""

    def __init__(self, on_commit: Callable[[], None]) -> None:
        """Create a listener; ``on_commit`` is called in its thread after each commit, and must not block."""
        self._on_commit = on_commit
        self._listening = False
        self._stopped = threading.Event()

    @property
    def listening(self) -> bool:
        """Whether the cache server responds, so that wake-ups arrive."""
        return self._listening

    def start(self) -> None:
        """Start the thread, unless the cache is off; it ends after ``stop``, or with the process."""
        if settings.CACHE_URL:
            threading.Thread(
                target=self._run, args=(settings.CACHE_URL,), name="wake-ups", daemon=True
            ).start()

    def stop(self) -> None:
        """Let the thread end soon."""
        self._stopped.set()

    def _run(self, url: str) -> None:
        while not self._stopped.is_set():
            try:
                self._listen(url)
            except (redis.RedisError, OSError) as error:
                if self._listening:
                    logger.warning("Wake-ups of the event stream do not arrive: %s", error)
            self._listening = False
            self._stopped.wait(_RETRY_AFTER)

    def _listen(self, url: str) -> None:
        """Call ``on_commit`` for each wake-up until the server does not respond."""
        with (
            _connect(url) as client,
            client.pubsub(ignore_subscribe_messages=True) as subscription,
        ):
            subscription.subscribe(keys.generation(tags.EVENTS))
            heard, pinged = time.monotonic(), 0.0
            while time.monotonic() < heard + _SILENT_AFTER and not self._stopped.is_set():
                if time.monotonic() > pinged + _PING_EVERY:
                    subscription.ping()
                    pinged = time.monotonic()
                if message := subscription.get_message(timeout=_PING_EVERY):
                    heard = time.monotonic()
                    self._heard(message)
        if not self._stopped.is_set():
            raise redis.TimeoutError("the cache server does not respond")

    def _heard(self, message: dict[str, Any]) -> None:
        # Once the first response has come: what was committed before it may have been missed.
        if message["type"] == "message" or not self._listening:
            self._listening = True
            self._on_commit()
