"""The service's JSON encoder and decoder, for responses, request bodies and cached entries."""

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

#: A number this long may not fit into 64 bits, and orjson reads larger ones inexactly.
_LONG_NUMBER: Final = re.compile(rb"[0-9]{18}")


def to_json(data: Any, *, indent: bool = False, sort_keys: bool = False) -> bytes:
    """Return data as UTF-8 JSON.

    Args:
        data: values of the types of JSON, and UUIDs, datetimes, enumerations and lazy strings.
        indent: for people to read, with two spaces for each level.
        sort_keys: whether the keys of objects are sorted, so that equal data have the same JSON.
    """
    options = _OPTIONS
    options |= orjson.OPT_INDENT_2 if indent else 0
    options |= orjson.OPT_SORT_KEYS if sort_keys else 0
    try:
        return orjson.dumps(data, _encode_other, options)
    except orjson.JSONEncodeError:
        # An integer of more than 64 bits: orjson refuses it, but clients may store it.
        text = json.dumps(
            data,
            default=_encode_other,
            ensure_ascii=False,
            allow_nan=False,
            indent=2 if indent else None,
            separators=None if indent else (",", ":"),
            sort_keys=sort_keys,
        )
        return text.encode()


def from_json(raw: bytes | str) -> Any:
    """Return the data of a JSON text. Integers of any size are exact.

    Raises:
        ValueError: if it is not strict JSON (invalid UTF-8, half a surrogate pair, NaN, a number out of the
            range of a double) or nested too deep.
    """
    encoded = raw.encode() if isinstance(raw, str) else raw
    data = orjson.loads(encoded)
    if not _LONG_NUMBER.search(encoded):
        return data
    try:
        return json.loads(encoded)  # orjson found it valid; json reads long integers exactly
    except RecursionError:
        raise ValueError("nested too deep") from None


def exceeds_depth(data: Any, max_levels: int) -> bool:
    """Return whether objects and lists are nested deeper than ``max_levels``. Does not recurse."""
    level = [data]
    for _ in range(max_levels):
        level = _members(level)
        if not level:
            return False
    return any(isinstance(value, dict | list) for value in level)


def strings_in(data: Any) -> Iterator[str]:
    """Yield every string in the data, including keys."""
    level = [data]
    while level:
        for value in level:
            if isinstance(value, str):
                yield value
            elif isinstance(value, dict):
                yield from value
        level = _members(level)


def _members(level: list[Any]) -> list[Any]:
    """Return the members of the objects and lists of one level."""
    members: list[Any] = []
    for value in level:
        if isinstance(value, dict):
            members.extend(value.values())
        elif isinstance(value, list):
            members.extend(value)
    return members


def _encode_other(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso_timestamp(value)
    if isinstance(value, UUID | Promise):
        return str(value)
    raise TypeError(f"JSON has no {type(value).__name__}")
