"""Seeded randomness, and values in the form that both engines read and Django writes.

Rows are made by the million, so they are plain tuples of text, whole numbers and None: an id is 32
hexadecimal digits, an instant is UTC without an offset, JSON is text. SQLite stores these as Django would;
PostgreSQL's ``COPY`` reads them, in a session that Django has set to UTC.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

import orjson

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

#: Instants are whole microseconds since this one.
EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - text without an offset is what is made of it

Row = tuple[str | int | None, ...]

# The digit that carries the variant of RFC 9562 in its two upper bits (binary 10).
_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_HEX_DIGITS_AN_ID: Final = 20  # ten random bytes, of which 74 bits are used


def stream(*names: object) -> Random:
    """Return the random numbers that belong to these names: the same ones for the same names, always."""
    return Random("/".join(map(str, names)))  # noqa: S311 - data that must be repeatable, not secret


def id_tails(random: Random, count: int) -> list[str]:
    """Return the random digits of ``count`` UUIDv7s, each to be completed by ``new_id``."""
    digits = random.randbytes(count * _HEX_DIGITS_AN_ID // 2).hex()
    return [
        f"7{digits[start : start + 3]}{_VARIANT[digits[start + 3]]}{digits[start + 4 : start + 19]}"
        for start in range(0, len(digits), _HEX_DIGITS_AN_ID)
    ]


def new_id(instant: int, tail: str) -> str:
    """Return the UUIDv7 of an instant in microseconds and a tail of ``id_tails``, as 32 digits."""
    return f"{instant // 1000:012x}{tail}"


def hyphenated(digits: str) -> str:
    """Return an id of 32 digits as JSON and people write it."""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def format_timestamp(instant: int) -> str:
    """Return an instant in microseconds as the text that a database stores."""
    return (EPOCH + timedelta(0, 0, instant)).isoformat(" ")


def json_text(value: Any) -> str:
    """Return a value as compact JSON."""
    return orjson.dumps(value).decode()


def log_normal(spread: float, size: int) -> Sequence[float]:
    """Return ``size`` log-normal factors of median 1, evenly over their quantiles.

    Drawing from such a pool costs a tenth of drawing from the distribution.
    """
    random = stream("log-normal", spread)
    return tuple(math.exp(random.gauss(0, spread)) for _ in range(size))
