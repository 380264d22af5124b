"""Values as text: timestamps for programs; sizes and durations for people."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

_BYTES_STEP: Final = 1024
_MINUTE: Final = 60
_UNITS: Final = (("d", 86_400), ("h", 3600), ("min", _MINUTE), ("s", 1))


def iso_timestamp(value: datetime) -> str:
    """Return an aware datetime as ISO 8601 in UTC with microseconds and ``Z``.

    All results have the same length, so they sort by time.
    """
    return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def iso_now() -> str:
    """Return the current time as ``iso_timestamp`` writes it."""
    return iso_timestamp(datetime.now(UTC))


def human_bytes(size: float) -> str:
    """Return a number of bytes with its unit, ``2.1M``, in powers of 1024."""
    for unit in ("B", "K", "M", "G"):
        if size < _BYTES_STEP:
            return f"{size:.0f}B" if unit == "B" else f"{size:.1f}{unit}"
        size /= _BYTES_STEP
    return f"{size:.1f}T"


def human_duration(seconds: float) -> str:
    """Return a duration in its two largest units: ``3.2 s``, ``4 min 59 s``, ``1 h 5 min``, ``2 d 3 h``.

    It is cut, not rounded: a minute that is not over yet does not count. A negative duration is 0.
    """
    if seconds < _MINUTE:
        return f"{int(max(seconds, 0) * 10) / 10:g} s"
    (unit, length), (smaller, part) = next(pair for pair in pairwise(_UNITS) if seconds >= pair[0][1])
    whole, rest = divmod(int(seconds), length)
    return f"{whole} {unit} {rest // part} {smaller}"


def human_timestamp(value: datetime) -> str:
    """Return an aware datetime in UTC to the second: ``2026-11-23 09:00:00 UTC``."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def first_line(error: Exception) -> str:
    """Return the first line of an error's message; a database adds details and hints below it."""
    return str(error).strip().partition("\n")[0]


def printable(text: object) -> str:
    """Return text for a terminal: control characters and line breaks are escaped."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in str(text)
    )
