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
from typing import Any, Final, TypeVar, cast, get_args, get_origin, get_type_hints
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
    hint = cast("Any", kind)
    key = f"{GROUP}:{name}:{_shape(hint)}"
    spec = CacheSpec(GROUP, key, (tags.JOBS, tags.EVENTS), settings.CACHE_TTL_CONSOLE, time_dependent=True)

    def body() -> bytes:
        with limits():
            return to_json(build())

    (found,) = lookup.look_up(spec)
    read: Callable[[Any], T] = _reader(hint)
    return read(from_json(lookup.get_or_build(spec, found, body).body))


@lru_cache
def _shape(kind: Any) -> str:
    """Return a type with the fields of its dataclasses: code with other fields has entries of its own."""
    if isinstance(kind, type) and is_dataclass(kind):
        return ", ".join(f"{name}: {_shape(hint)}" for name, hint in get_type_hints(kind).items()).join("()")
    if arguments := get_args(kind):
        return f"{get_origin(kind)}[{', '.join(map(_shape, arguments))}]"
    return str(kind)


@lru_cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """Return the function that makes a value of a type from its JSON."""
    if isinstance(kind, type) and is_dataclass(kind):
        readers = {name: _reader(hint) for name, hint in get_type_hints(kind).items()}
        return lambda data: kind(**{name: read(data[name]) for name, read in readers.items()})
    if get_origin(kind) is tuple:
        read_one = _reader(get_args(kind)[0])
        return lambda data: tuple(map(read_one, data))
    if get_origin(kind) is UnionType:
        (not_none,) = set(get_args(kind)) - {NoneType}
        read = _reader(not_none)
        return lambda data: None if data is None else read(data)
    return _READERS.get(kind, _unchanged)


def _unchanged(data: Any) -> Any:
    return data


_READERS: Final[dict[Any, Callable[[Any], Any]]] = {datetime: datetime.fromisoformat, UUID: UUID}
