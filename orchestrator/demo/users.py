"""Users: the accounts of agents and workers, and people of every role. None of them can sign in."""

from collections.abc import Iterator
from itertools import zip_longest
from random import Random
from typing import Final

from orchestrator.choices import Role
from orchestrator.demo.row_values import DAY, Row, format_timestamp, id_tails, new_id, seeded_random
from orchestrator.demo.vocabulary import AGENTS, FIRST_NAMES, LAST_NAMES, OPERATORS, RUNNERS

USER_COLUMNS: Final = ("id", "username", "email", "password", "role", "active", "created_at", "last_login")

_DOMAIN: Final = "example.com"  # reserved by RFC 2606, so no email is ever delivered
_SPAN: Final = 400 * DAY
_LAST_SEEN: Final = 30 * DAY
_ROLES: Final = (Role.USER, Role.MODERATOR, Role.ADMIN)
_ROLE_SHARES: Final = (90, 9, 1)
_INACTIVE_SHARE: Final = 0.07
_NEVER_SEEN_SHARE: Final = 0.15


class UserGenerator:
    """Generates the users of a plan."""

    def __init__(self, seed_key: tuple[object, ...], total: int, until: int, suffix: str) -> None:
        """Prepare to generate any range of the rows.

        Args:
            seed_key: seed of the random numbers.
            total: number of users.
            until: the end of the data; everything happened before it. In microseconds.
            suffix: the end of every user name, different for each series.
        """
        self._seed_key = (*seed_key, "users", total)
        self._until = until
        self._suffix = suffix

    def rows(self, first: int, last: int) -> list[Row]:
        """Return the rows of the users numbered ``first`` to ``last`` (exclusive)."""
        random = seeded_random(*self._seed_key, first)
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
        if number < len(_NAMED_ACCOUNTS):
            name, role = _NAMED_ACCOUNTS[number]
            active, seen = True, seen if name in OPERATORS else 0
        else:
            name = _name(number - len(_NAMED_ACCOUNTS))
            seen = seen if random.random() >= _NEVER_SEEN_SHARE else 0
        name += self._suffix
        return (
            new_id(created, tail),
            name,
            f"{name}@{_DOMAIN}",
            _unusable_password(tail),
            role.value,
            int(active),
            format_timestamp(created),
            format_timestamp(seen) if seen else None,
        )


def _unusable_password(tail: str) -> str:
    """Return an unusable password, in Django's format."""
    return f"!{tail * 2:.40}"


def _named_accounts() -> Iterator[tuple[str, Role]]:
    """Yield the accounts that appear in job histories: in turn an operator and an agent or runner."""
    roles = (Role.ADMIN, *[Role.MODERATOR] * (len(OPERATORS) - 1))
    for person, account in zip_longest(zip(OPERATORS, roles, strict=True), (*AGENTS, *RUNNERS.values())):
        if person:
            yield person
        yield account, Role.USER


def _name(number: int) -> str:
    """Return the ``number``-th other name. When all are used, they repeat with a number appended."""
    repetition, index = divmod(number, len(_NAMES))
    return _NAMES[index] + (f".{repetition + 1}" if repetition else "")


_NAMED_ACCOUNTS: Final = tuple(_named_accounts())


def _names() -> list[str]:
    """Return every other pair of a first and a last name, shuffled."""
    pairs = [f"{first}.{last}".lower().replace("ø", "oe") for first in FIRST_NAMES for last in LAST_NAMES]
    taken = {name for name, _ in _NAMED_ACCOUNTS}
    free = [name for name in pairs if name not in taken]
    seeded_random("names").shuffle(free)
    return free


_NAMES: Final = _names()
