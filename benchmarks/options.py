"""What a run is asked to do."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How much is measured.

    Args:
        rounds: how often each variant is measured, one after the other in each round.
        seconds: how long each time.
        jobs: rows of the table of jobs, but for the suite that lets it grow.
        big: whether that suite goes to ten million.
    """

    rounds: int
    seconds: float
    jobs: int
    big: bool
