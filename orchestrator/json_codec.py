"""JSON as the service writes and reads it: the one door for answers, request bodies and cached entries."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from django.utils.functional import Promise

from monitoring.formatting import iso_timestamp

_OPTIONS: Final = orjson.OPT_PASSTHROUGH_DATETIME

#: Digits in a row that may be more than the 64 bits that orjson reads exactly.
_LONG_NUMBER: Final = re.compile(rb"[0-9]{18}")


def to_json(data: Any, *, indent: bool = False) -> bytes:
    """Return data as UTF-8 JSON.

    Args:
        data: what JSON knows, and UUIDs, moments and enumerations.
        indent: for people to read, two spaces a level.
    """
    try:
        return orjson.dumps(data, _plain, _OPTIONS | orjson.OPT_INDENT_2 if indent else _OPTIONS)
    except orjson.JSONEncodeError:
        # A whole number of more than 64 bits: orjson refuses it, clients may store it.
        text = json.dumps(
            data,
            default=_plain,
            ensure_ascii=False,
            allow_nan=False,
            indent=2 if indent else None,
            separators=None if indent else (",", ":"),
        )
        return text.encode()


def from_json(raw: bytes | str) -> Any:
    """Return what a JSON text says, its whole numbers exactly.

    Raises:
        ValueError: when it is not strict JSON: not UTF-8, half a surrogate pair, NaN, a number that no double
            holds, or nested so deep that nobody could mean it.
    """
    encoded = raw.encode() if isinstance(raw, str) else raw
    data = orjson.loads(encoded)
    if not _LONG_NUMBER.search(encoded):
        return data
    try:
        return json.loads(encoded)  # orjson has found it valid; this one reads long numbers exactly
    except RecursionError:
        raise ValueError("nested too deep") from None


def is_deeper(data: Any, levels: int) -> bool:
    """Tell whether data are nested deeper than ``levels``, without recursion, which has limits too."""
    level = [data]
    for _ in range(levels):
        level = _inside(level)
        if not level:
            return False
    return any(isinstance(value, dict | list) for value in level)


def texts_in(data: Any) -> Iterator[str]:
    """Return every string in the data, keys included."""
    level = [data]
    while level:
        for value in level:
            if isinstance(value, str):
                yield value
            elif isinstance(value, dict):
                yield from value
        level = _inside(level)


def _inside(level: list[Any]) -> list[Any]:
    """Return what is in the objects and lists of one level."""
    inside: list[Any] = []
    for value in level:
        if isinstance(value, dict):
            inside.extend(value.values())
        elif isinstance(value, list):
            inside.extend(value)
    return inside


def _plain(value: Any) -> Any:
    """Return a value that JSON lacks as one that it has."""
    if isinstance(value, datetime):
        return iso_timestamp(value)
    if isinstance(value, UUID | Promise):
        return str(value)
    raise TypeError(f"JSON has no {type(value).__name__}")
