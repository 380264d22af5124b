"""Tasks: work for people and agents. Some were edited several times."""

from collections.abc import Iterator
from datetime import datetime
from random import Random
from typing import Final

from orchestrator.demo.randomness import ages, random_id
from orchestrator.demo.vocabulary import with_subject
from orchestrator.models import Task

_TITLES: Final = (
    "Agree on an alert threshold for {service}",
    "Ask {supplier} for a machine-readable price list",
    "Clean up stale branches of {repository}",
    "Decide who owns {dataset}",
    "Document the retry policy of {service}",
    "Find out why exports of {dataset} are slow on Mondays",
    "Label 200 more samples for {model}",
    "Plan capacity for {region}",
    "Raise the memory limit of jobs on {dataset}",
    "Renew the contract with {supplier}",
    "Review access rights of {team}",
    "Upgrade dependencies of {repository}",
)
_SENTENCES: Final = (
    "See the thread of last Thursday.",
    "Blocked until the freeze is over.",
    "The nightly job fails once a week because of this.",
    "An agent may prepare it; a person decides.",
    "Half a day of work at most.",
    "First try was rolled back: too many open connections.",
)
_VERSIONS: Final = (1,) * 10 + (2, 2, 2, 2, 3, 3, 4, 5, 8)


def tasks(random: Random, total: int, until: datetime) -> Iterator[Task]:
    """Yield ``total`` tasks that were created before ``until``, oldest first."""
    for age in ages(random, total):
        title, _ = with_subject(random, random.choice(_TITLES))
        version = random.choice(_VERSIONS)
        edited = age * random.random() if version > 1 else age
        yield Task(
            id=random_id(random, until - age),
            title=title,
            description=" ".join(random.sample(_SENTENCES, random.randint(0, 3))),
            version=version,
            created_at=until - age,
            updated_at=until - edited,
        )
