"""Sets of transactions of PostgreSQL, as its snapshots are: which transactions' events were delivered.

The order in which transactions commit is not the order of their ids. So "all transactions up to this one" is
no position in the stream: one with a lower id may commit later. A snapshot names each of its transactions.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Snapshot:
    """The transactions with an id below ``end``, except those in ``missing``, which are in order."""

    end: int
    missing: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Snapshot":
        """Return the snapshot that PostgreSQL writes as ``xmin:xmax:xip,…``."""
        _, end, missing = text.split(":")
        return cls(int(end), tuple(sorted(map(int, missing.split(","))) if missing else ()))

    def __contains__(self, transaction: int) -> bool:
        return transaction < self.end and transaction not in self.missing

    def with_transaction(self, transaction: int) -> "Snapshot":
        """Return this set and one more transaction, whose id is at most ``end``."""
        if transaction == self.end:
            return Snapshot(self.end + 1, self.missing)
        return Snapshot(self.end, _without(self.missing, transaction))

    def with_lower(self, transaction: int, of: "Snapshot") -> "Snapshot":
        """Return this set and the transactions of a larger set ``of`` that have a lower id than this one.

        This is what was delivered before a transaction, if everything in ``of`` is delivered in order of the
        ids to a client that has everything in this set.
        """
        lower = (each for each in of.missing if each < transaction)
        higher = (each for each in self.missing if each >= transaction)
        return Snapshot(max(transaction, self.end), (*lower, *higher))


def _without(transactions: Iterable[int], removed: int) -> tuple[int, ...]:
    return tuple(each for each in transactions if each != removed)
