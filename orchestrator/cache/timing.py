"""All durations of the cache protocol, in seconds.

``docs/coherent-cache.md`` explains them; ``tests/cache/test_timing.py`` checks the inequalities between them.
"""

from typing import Final

#: How long a process may trust the cache after it looked at the database. A writer that could not announce
#: its change waits this long at most; with the server's time-out of 0.1 s that takes less than 0.25 s.
LEASE: Final = 0.12

#: How much longer a writer waits, because two clocks do not run at quite the same speed.
LEASE_MARGIN: Final = 0.005

#: Between two runs of the relay.
RELAY_EVERY: Final = 0.1

#: Until the relay retries after the cache server or the database was unavailable.
TRY_AGAIN_AFTER: Final = 0.25

#: Between two queries of a writer that waits for its outbox row to be drained.
OUTBOX_POLL_EVERY: Final = 0.005

#: After which a writer in flight may be dead, so that the database is queried whether its transaction is
#: over; and between two such checks of one process. Until then its tags' responses come from the database.
WRITER_SUSPECTED_AFTER: Final = 1
WRITERS_CHECKED_EVERY: Final = 0.25

#: For how long a look at the database guards its history: longer than a late run of the relay, shorter than
#: it takes to restore a database and to start the service.
LOOK_KEPT: Final = 1

#: How long an epoch is kept after the last look at the database. Without it every entry is void.
EPOCH_KEPT: Final = 3600

#: How long a generation is kept after the last write. Without it entries made under it are misses.
GENERATION_KEPT: Final = 7 * 86_400

#: After which a caller's claim to build an entry ends.
FILL_EXPIRY: Final = 2

#: How long a caller waits for an entry that another one builds, and between two look-ups of it.
FILL_WAIT: Final = 0.25
FILL_POLL_EVERY: Final = 0.004

#: Largest share of a time to live that is randomly added or subtracted, so that entries that were stored
#: together do not expire together.
TTL_JITTER: Final = 0.1

#: The share of the time-out from which an exchange with the cache server is slow: 4 ms of 0.1 s. The database
#: responds about as fast.
SLOW_SHARE: Final = 1 / 25

#: After which a server that is always slow is not called any more.
SLOW_FOR: Final = 0.5

#: How long an operation of the client library may take, in time-outs: it may be several exchanges.
LIBRARY_TIMEOUTS: Final = 5

#: Between two probes of a server that failed or was slow. After a circuit breaker that opens again within
#: ``FLAPPING_WITHIN`` the pause is twice as long as the last one, up to the maximum.
PROBE_EVERY: Final = 1.0
MAX_PROBE_EVERY: Final = 30.0
FLAPPING_WITHIN: Final = 5.0

#: While the cache is off: between two prunings of the outbox, and how old a row must be to be pruned. The
#: epoch of every entry that it invalidates has expired by then.
PRUNE_EVERY: Final = 60.0
PRUNE_AFTER: Final = 86_400
