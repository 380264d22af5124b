"""Users: people of every role, and the accounts of agents and runners. None of them can sign in."""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Final

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX

from orchestrator.choices import Role
from orchestrator.demo.randomness import random_id
from orchestrator.demo.vocabulary import AGENTS, FIRST_NAMES, LAST_NAMES, OPERATORS, RUNNERS
from orchestrator.models import User

_DOMAIN: Final = "example.com"  # reserved by RFC 2606, so no email is ever delivered
_SPAN_DAYS: Final = 400
_ROLES: Final = (Role.USER,) * 9 + (Role.MODERATOR,)
_INACTIVE_SHARE: Final = 0.07
_NEVER_SEEN_SHARE: Final = 0.15


def users(random: Random, total: int, until: datetime, taken: Collection[str]) -> Iterator[User]:
    """Yield ``total`` users created before ``until``, oldest first, without the names in ``taken``."""
    names = (name for name in _names() if name not in taken)
    roles = {**OPERATORS, **dict.fromkeys((*AGENTS, *RUNNERS.values()), Role.USER)}
    for number, name in zip(range(total), names):  # noqa: B905 - there is no end of names
        age = timedelta(days=_SPAN_DAYS * (1 - (number + random.random()) / total), seconds=1)
        user_id, role = random_id(random, until - age), random.choice(_ROLES)
        yield User(
            id=user_id,
            username=name,
            email=f"{name}@{_DOMAIN}",
            password=f"{UNUSABLE_PASSWORD_PREFIX}{user_id.hex}",
            role=roles.get(name, role).value,
            active=name in roles or random.random() > _INACTIVE_SHARE,
            created_at=until - age,
            last_login=until - age * random.random() if random.random() > _NEVER_SEEN_SHARE else None,
        )


def _names() -> Iterator[str]:
    """Yield the accounts of job histories, then other names without end."""
    yield from (*OPERATORS, *AGENTS, *RUNNERS.values())
    for number in count():
        first, last = FIRST_NAMES[number % len(FIRST_NAMES)], LAST_NAMES[number % len(LAST_NAMES)]
        repetition = number // (len(FIRST_NAMES) * len(LAST_NAMES))
        yield f"{first}.{last}" + (f".{repetition + 1}" if repetition else "")
