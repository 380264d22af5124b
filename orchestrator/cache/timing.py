"""All durations of the cache protocol, in seconds.

``docs/coherent-cache.md`` explains them; ``tests/cache/test_timing.py`` checks the inequalities between them.
"""

from typing import Final

#: How long the cache may be trusted after the outbox was read. A writer that could not announce its change
#: waits this long at most; with the server's time-out of 0.1 s such a write takes less than 0.25 s.
LEASE: Final = 0.12

#: How long a key may outlive its expiry: Valkey 9.1 still serves it within the same millisecond (measured).
LEASE_SLACK: Final = 0.005

#: Between two runs of the relay. Several fit into a lease, so that a late run does not let it expire.
RELAY_EVERY: Final = 0.03

#: Until the relay retries after the cache server or the database was unavailable.
TRY_AGAIN_AFTER: Final = 0.25

#: Between two queries of a writer that waits for its outbox row to be drained.
OUTBOX_POLL_EVERY: Final = 0.005

#: After which a writer in flight counts as dead. A COMMIT takes milliseconds. Until then responses with its
#: tags come from the database.
WRITER_EXPIRY: Final = 10

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

#: Between two probes of a server that failed.
PROBE_EVERY: Final = 1.0

#: While the cache is off: between two prunings of the outbox, and how much older than the longest time to
#: live a row must be to be pruned. Every entry that it invalidates has expired by then.
PRUNE_EVERY: Final = 60.0
PRUNE_MARGIN: Final = 86_400
