"""When things happened: the load of a service that grew over the last 90 days.

Ages are microseconds before the end of the data, so the same seed has the same load pattern whenever it is
used. Therefore the day's peak is always now, and the last weekend is always three to four days back.
"""

import math
from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate
from random import Random
from typing import Final

from orchestrator.demo.row_values import DAY, HOUR, MINUTE

SPAN: Final = 90 * DAY

_SLICE: Final = 10 * MINUTE
_SLICES: Final = SPAN // _SLICE
_SLICES_A_DAY: Final = DAY // _SLICE

# The load has grown: the rate falls with age as 1 / (age + this). Of 2,000 jobs, 150 are from the last day
# and 600 from the last week.
_GROWTH: Final = 4 * DAY
# The load is highest now: about 30 of 2,000 jobs are from the last hour, so that the dashboard has something
# to show.
_RUSH: Final = 3.0  # added to the rate now, as a multiple of the usual rate
_RUSH_FADES: Final = 3 * HOUR
_NIGHT: Final = 0.45  # the rate at the quietest hour, as a share of the peak's
_WEEKEND: Final = 0.5
_WEEKEND_DAYS: Final = (3, 4)  # days back, of every seven
_UNEVENNESS: Final = 3.0  # shape of the gamma noise on each slice; smaller is rougher
_BURSTS: Final = 40  # backfills and retried imports: short periods of several times the usual rate
_BURST_SLICES: Final = (1, 5)
_BURST_RATES: Final = (2.0, 7.0)

# Outages in hours back. Many of the jobs created during an outage fail.
_OUTAGES: Final = ((2.2, 3.1), (19.5, 20.4), (76.0, 78.5), (231.0, 238.0), (611.0, 613.0), (1390.0, 1401.0))
_OUTAGE_EDGES: Final = [int(hours * HOUR) for outage in _OUTAGES for hours in outage]


def in_outage(age: int) -> bool:
    """Return whether this age is within an outage."""
    return bisect(_OUTAGE_EDGES, age) % 2 == 1


class Timeline:
    """Ages of rows, oldest first, denser where the load was higher."""

    def __init__(self, random: Random) -> None:
        """Draw the load of each slice of time."""
        self._ends = list(accumulate(_rates(random)))

    def ages(self, random: Random, first: int, last: int, total: int) -> Iterator[int]:
        """Yield the ages of the rows numbered ``first`` to ``last`` (exclusive) of ``total``, oldest first.

        Each row gets a random place within its own share of the total load, so any range of rows can be
        generated without the others.
        """
        ends, share = self._ends, self._ends[-1] / max(total, 1)
        for number in range(first, last):
            position = (number + random.random()) * share
            slice_ = bisect(ends, position, 0, _SLICES - 1)
            start = ends[slice_ - 1] if slice_ else 0.0
            within = (position - start) / (ends[slice_] - start)
            yield SPAN - int((slice_ + within) * _SLICE) or 1


def _rates(random: Random) -> list[float]:
    """Return the load of each slice of the span, oldest first."""
    rates = [_rate(_SLICES - 1 - slice_) * random.gammavariate(_UNEVENNESS, 1) for slice_ in range(_SLICES)]
    for _ in range(_BURSTS):
        start, rate = random.randrange(_SLICES), random.uniform(*_BURST_RATES)
        for slice_ in range(start, min(start + random.randint(*_BURST_SLICES), _SLICES)):
            rates[slice_] *= rate
    return rates


def _rate(slices_back: int) -> float:
    """Return the rate a number of slices back, by growth, rush, hour and weekday, without noise."""
    growth = 1 / (slices_back * _SLICE + _GROWTH)
    rush = 1 + _RUSH * math.exp(-slices_back * _SLICE / _RUSH_FADES)
    day = _NIGHT + (1 - _NIGHT) * (1 + math.cos(2 * math.pi * slices_back / _SLICES_A_DAY)) / 2
    days_back = slices_back // _SLICES_A_DAY
    return growth * rush * day * (_WEEKEND if days_back % 7 in _WEEKEND_DAYS else 1)
