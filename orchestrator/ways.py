"""The ways through each table that indexes offer to the operators' lists: by which filters, in which orders.

A list takes the way that suits the filters it was asked for; those that the way does not take are put to its
rows one by one (``orchestrator.walks``). An order that no way offers is not offered to operators either.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from orchestrator.pagination import Orders

_BY_AGE: Final = {"-created_at": ("-created_at", "-id"), "created_at": ("created_at", "id")}
_BY_PRIORITY: Final = {
    "-priority": ("-priority", "-created_at", "-id"),
    "priority": ("priority", "created_at", "id"),
}
_BY_NAME: Final = {"name": ("name", "created_at", "id"), "-name": ("-name", "-created_at", "-id")}
_BY_TITLE: Final = {"title": ("title", "created_at", "id"), "-title": ("-title", "-created_at", "-id")}
_BY_USERNAME: Final = {"username": ("username", "id"), "-username": ("-username", "-id")}


@dataclass(frozen=True)
class Way:
    """A way through a table.

    Attributes:
        takes: names of the filters that bound it.
        orders: those that it can be walked in, the usual one first; each is called by its first column.
    """

    takes: frozenset[str]
    orders: Orders


def _way(takes: str, orders: Orders) -> Way:
    return Way(frozenset(takes.split()), orders)


def through_jobs(asked: Collection[str]) -> Way:
    """Return the way to jobs of the filters ``asked`` for, by their names."""
    if "id" in asked:
        return _way("id", _BY_AGE)
    if "name" in asked:
        return _way("name", _BY_NAME)
    if "worker" in asked:
        return _way("worker created_at", _BY_AGE)
    by_priority = {} if {"priority", "created_at"}.intersection(asked) else _BY_PRIORITY
    by_name = {} if {"priority", "created_at", "status"}.intersection(asked) else _BY_NAME
    return _way("status priority created_at", {**_BY_AGE, **by_priority, **by_name})


def through_events(asked: Collection[str]) -> Way:
    """Return the way to events of the filters ``asked`` for, by their names."""
    if "id" in asked:
        return _way("id", _BY_AGE)
    return _way("job created_at" if "job" in asked else "type created_at", _BY_AGE)


def through_tasks(asked: Collection[str]) -> Way:
    """Return the way to tasks of the filters ``asked`` for, by their names."""
    if "id" in asked:
        return _way("id", _BY_AGE)
    if "title" in asked:
        return _way("title", _BY_TITLE)
    return _way("created_at", _BY_AGE if "created_at" in asked else {**_BY_AGE, **_BY_TITLE})


def through_users(asked: Collection[str]) -> Way:
    """Return the way to users of the filters ``asked`` for, by their names."""
    for alone in ("id", "email", "username"):
        if alone in asked:
            return _way(alone, _BY_USERNAME)
    return _way("role active", {**_BY_USERNAME, **_BY_AGE})


WAYS: Final[Mapping[str, Callable[[Collection[str]], Way]]] = MappingProxyType(
    {"jobs": through_jobs, "events": through_events, "tasks": through_tasks, "users": through_users}
)
