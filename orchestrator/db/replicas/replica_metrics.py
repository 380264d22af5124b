"""What the processes count about replicas; ``/metrics`` shows the sums of all processes."""

from enum import StrEnum
from typing import Final

from prometheus_client import Counter


class Outcome(StrEnum):
    """How an attempt to read from a replica ended."""

    USED = "used"
    BEHIND = "behind"  # it had not replayed what the primary shows
    AHEAD = "ahead"  # it showed a commit that the primary did not show yet
    UNRELATED = "unrelated"  # it was promoted, or follows another primary or timeline
    FAILED = "failed"  # it did not respond, or refused a query


READS: Final = Counter(
    "kyros_replica_reads",
    "Attempts to read from a replica. Whatever did not end as `used` was read from the primary.",
    ("replica", "outcome"),
    registry=None,
)
