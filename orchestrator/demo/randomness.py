"""Random times and ids of demo rows."""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Final
from uuid import UUID

_SPAN_DAYS: Final = 89
# The number of rows per day falls with their age, as 1 / (age + this).
_GROWTH_DAYS: Final = 2
# The amplitude of the daily rhythm, below 1. The peak is always now, so that the dashboard has data to show:
# 25 of 2,000 jobs are from the last hour.
_RHYTHM: Final = 0.6


def ages(random: Random, total: int) -> Iterator[timedelta]:
    """Yield the ages of ``total`` rows in the last 90 days, oldest first."""
    for number in range(total):
        share = (number + random.random()) / total
        days = _GROWTH_DAYS * ((1 + _SPAN_DAYS / _GROWTH_DAYS) ** (1 - share) - 1)
        turn = 2 * math.pi
        yield timedelta(days=days - _RHYTHM * math.sin(days * turn) / turn, seconds=1)


def random_id(random: Random, at: datetime) -> UUID:
    """Return a UUIDv7 (RFC 9562, section 5.7) of a time."""
    milliseconds, bits = int(at.timestamp() * 1000), random.getrandbits(74)
    return UUID(int=milliseconds << 80 | 7 << 76 | bits >> 62 << 64 | 2 << 62 | bits & (1 << 62) - 1)
