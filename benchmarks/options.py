"""The options of a benchmark run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How much to measure.

    Args:
        rounds: measurements of each variant; every round measures all variants once.
        seconds: duration of one measurement.
        jobs: rows in the jobs table, in all suites but ``growth``.
        big: whether ``growth`` goes up to ten million jobs.
    """

    rounds: int
    seconds: float
    jobs: int
    big: bool
