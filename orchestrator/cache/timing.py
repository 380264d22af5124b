"""Every duration of the coherence protocol, in seconds, and the inequalities that its validators needs.

``tests/cache/test_timing.py`` checks the inequalities; ``docs/adr/0010-coherent-cache.md`` has the reasons.
"""

from typing import Final

#: How long the cache may be trusted after the outbox was read. A writer that could not invalidate its change
#: waits this long at most; with the server's time-out of 0.1 s such a write takes less than 0.25 s.
LEASE: Final = 0.12

#: How long a key may outlive its expiry: Valkey 9.1 still serves it in the same millisecond (measured).
LEASE_SLACK: Final = 0.005

#: Between two ticks of the relay: several must fit into a lease, so that one that is late costs no trust.
RELAY_EVERY: Final = 0.03

#: Until the relay tries again a cache server or database that is away. Nobody trusts the cache meanwhile.
TRY_AGAIN_AFTER: Final = 0.25

#: Between two looks of a waiting writer at whether the outbox was drained.
OUTBOX_POLL_EVERY: Final = 0.005

#: After which a writer in flight counts as dead. A COMMIT takes milliseconds; until then its tags are
#: answered from the database.
WRITER_EXPIRY: Final = 10

#: How long a generation is kept after the last write. Without it entries made under it are misses.
GENERATION_KEPT: Final = 7 * 86_400

#: After which another caller may fill an entry that one caller has claimed.
FILL_EXPIRY: Final = 2

#: How long a caller waits for another's fill before it asks the database, and between its looks.
FILL_WAIT: Final = 0.25
FILL_POLL_EVERY: Final = 0.004

#: Largest part of a time to live that chance adds or takes away, so that entries filled together do not
#: expire together.
TTL_JITTER: Final = 0.1

#: Between two probes of a server that failed.
PROBE_EVERY: Final = 1.0

#: Where the cache is off: between two prunings of the outbox, and how much older than the longest time to
#: live a row must be to be pruned. An entry filled before the row was written has expired by then.
PRUNE_EVERY: Final = 60.0
PRUNE_MARGIN: Final = 86_400
