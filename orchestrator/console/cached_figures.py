"""Figures of the console that take longer to query than to look up, in the cache that the API uses too.

A change of jobs or events makes them stale at once. What depends on the clock, such as which minutes are the
last hour, and when a worker was last seen, may be ``CACHE_TTL_CONSOLE`` seconds late.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import is_dataclass
from datetime import datetime
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints
from uuid import UUID

from django.conf import settings

from orchestrator.cache import lookup, tags
from orchestrator.cache.spec import CacheSpec
from orchestrator.json_codec import from_json, to_json

T = TypeVar("T")

#: The group in the cache's metrics.
GROUP: Final = "console"

#: Opens a context in which the database is queried.
Limits = Callable[[], AbstractContextManager[Any]]


def figures(name: str, kind: type[T], build: Callable[[], T], limits: Limits = nullcontext) -> T:
    """Return figures from the cache, else from the database.

    Args:
        name: names the figures completely: what they are, and of which time range.
        kind: their type: a dataclass or a tuple of dataclasses, made of these and of the types of JSON,
            datetimes and UUIDs.
        build: queries them.
        limits: opens a context for the query only. A transaction must not enclose the call: inside one the
            cache is not used.
    """
    spec = CacheSpec(
        GROUP, f"{GROUP}:{name}", (tags.JOBS, tags.EVENTS), settings.CACHE_TTL_CONSOLE, time_dependent=True
    )

    def body() -> bytes:
        with limits():
            return to_json(build())

    (found,) = lookup.look_up(spec)
    result: T = _value(kind, from_json(lookup.get_or_build(spec, found, body).body))
    return result


def _value(kind: Any, data: Any) -> Any:
    """Return the value of a type that has this JSON."""
    if data is None:
        return None
    if isinstance(kind, type) and is_dataclass(kind):
        return kind(**{name: _value(hint, data[name]) for name, hint in _fields(kind).items()})
    if get_origin(kind) is tuple:
        return tuple(_value(get_args(kind)[0], each) for each in data)
    if get_origin(kind) is UnionType:
        (kind,) = set(get_args(kind)) - {NoneType}
        return _value(kind, data)
    if kind is datetime:
        return datetime.fromisoformat(data)
    return UUID(data) if kind is UUID else data


_fields: Final = lru_cache(get_type_hints)
