"""Users: the accounts of the agents and workers, and people of each role. None of them can sign in."""

from collections.abc import Iterator
from itertools import zip_longest
from random import Random
from typing import Final

from orchestrator.choices import Role
from orchestrator.demo.row_values import DAY, Row, format_timestamp, id_tails, new_id, stream
from orchestrator.demo.vocabulary import AGENTS, FIRST_NAMES, LAST_NAMES, OPERATORS, RUNNERS

USER_COLUMNS: Final = ("id", "username", "email", "password", "role", "active", "created_at", "last_login")

_DOMAIN: Final = "example.com"  # reserved by RFC 2606: no letter ever arrives there
_SPAN: Final = 400 * DAY
_LAST_SEEN: Final = 30 * DAY
_ROLES: Final = (Role.USER, Role.MODERATOR, Role.ADMIN)
_ROLE_SHARES: Final = (90, 9, 1)
_INACTIVE_SHARE: Final = 0.07
_NEVER_SEEN_SHARE: Final = 0.15


class People:
    """The users of a plan."""

    def __init__(self, names: tuple[object, ...], total: int, until: int, suffix: str) -> None:
        """Take the measures of the whole, so that any part of it can be made.

        Args:
            names: what the random numbers belong to.
            total: how many users there are.
            until: the instant that everything happened before, in microseconds.
            suffix: what every user name ends with; tells the users of one run from those of another.
        """
        self._names = (*names, "users", total)
        self._until = until
        self._suffix = suffix

    def rows(self, first: int, last: int) -> list[Row]:
        """Return the rows of the users numbered ``first`` to ``last`` (exclusive)."""
        random = stream(*self._names, first)
        ages = sorted((random.randrange(1, _SPAN) for _ in range(last - first)), reverse=True)
        tails = id_tails(random, last - first)
        return [
            self._row(number, age, tail, random)
            for number, age, tail in zip(range(first, last), ages, tails, strict=True)
        ]

    def _row(self, number: int, age: int, tail: str, random: Random) -> Row:
        created = self._until - age
        (role,) = random.choices(_ROLES, _ROLE_SHARES)
        active = random.random() >= _INACTIVE_SHARE
        seen = self._until - min(random.randrange(_LAST_SEEN), age - 1)
        if number < len(_CAST):
            name, role = _CAST[number]
            active, seen = True, seen if name in OPERATORS else 0
        else:
            name = _name(number - len(_CAST))
            seen = seen if random.random() >= _NEVER_SEEN_SHARE else 0
        name += self._suffix
        return (
            new_id(created, tail),
            name,
            f"{name}@{_DOMAIN}",
            _no_password(tail),
            role.value,
            int(active),
            format_timestamp(created),
            format_timestamp(seen) if seen else None,
        )


def _no_password(tail: str) -> str:
    """Return a password hash that no password has, as Django marks one."""
    return f"!{tail * 2:.40}"


def _cast() -> Iterator[tuple[str, Role]]:
    """Yield those whom the histories tell of: an admin, an agent, a moderator, an agent, …, by turns."""
    roles = (Role.ADMIN, *[Role.MODERATOR] * (len(OPERATORS) - 1))
    for person, account in zip_longest(zip(OPERATORS, roles, strict=True), (*AGENTS, *RUNNERS.values())):
        if person:
            yield person
        yield account, Role.USER


def _name(number: int) -> str:
    """Return the ``number``-th name of everybody else: each pair of names once, then again with a number."""
    names = len(_NAMES)
    again = number // names
    return _NAMES[number % names] + (f".{again + 1}" if again else "")


_CAST: Final = tuple(_cast())


def _names() -> list[str]:
    """Return every pair of a first and a last name once, well mixed, without the cast."""
    pairs = [f"{first}.{last}".lower().replace("ø", "oe") for first in FIRST_NAMES for last in LAST_NAMES]
    taken = {name for name, _ in _CAST}
    free = [name for name in pairs if name not in taken]
    stream("names").shuffle(free)
    return free


_NAMES: Final = _names()
