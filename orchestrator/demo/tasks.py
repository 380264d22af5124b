"""Tasks: work for people and agents. Some were edited several times."""

from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Final

from orchestrator.demo.row_values import (
    HOUR,
    Row,
    format_timestamp,
    id_tails,
    log_normal,
    new_id,
    seeded_random,
)
from orchestrator.demo.timeline import Timeline
from orchestrator.demo.vocabulary import SUBJECTS

TASK_COLUMNS: Final = ("id", "title", "description", "version", "created_at", "updated_at")

_TITLES: Final = (
    "Agree on an alert threshold for {service}",
    "Answer the auditors on {store}",
    "Ask {supplier} for a machine-readable price list",
    "Check why {model} refuses tickets in Portuguese",
    "Clean up stale branches of {repository}",
    "Decide who owns {dataset}",
    "Document the retry policy of {service}",
    "Find out why exports of {dataset} are slow on Mondays",
    "Label 200 more samples for {model}",
    "Move {service} to the new queue",
    "Plan capacity for {region}",
    "Raise the memory limit of jobs on {dataset}",
    "Reduce the number of false alarms from {service}",
    "Renew the contract with {supplier}",
    "Retire {product} 2.x",
    "Review access rights of {team}",
    "Sample 50 answers of {model} by hand",
    "Test restoring {store} from last night's backup",
    "Upgrade dependencies of {repository}",
    "Write the release notes of {product}",
)
_SENTENCES: Final = (
    "Somebody from {team} has to agree first.",
    "See the thread of last Thursday.",
    "Blocked until the freeze is over.",
    "The nightly job fails once a week because of this.",
    "Done when the dashboard has been green for three days.",
    "An agent may prepare it; a person decides.",
    "Half a day of work at most.",
    "Costs about 40 € a day as it is.",
    "First try was rolled back: too many open connections.",
)
_VERSIONS: Final = (1, 2, 3, 4, 5, 6, 7, 8, 12)
_VERSION_SHARES: Final = (52, 18, 11, 7, 5, 3, 2, 1, 1)
_EDIT_EVERY: Final = 9 * HOUR
_FACTORS: Final = log_normal(spread=1.1, size=2048)


class TaskGenerator:
    """Generates the tasks of a plan."""

    def __init__(self, seed_key: tuple[object, ...], total: int, until: int) -> None:
        """Prepare to generate any range of the rows.

        Args:
            seed_key: seed of the random numbers.
            total: number of tasks.
            until: the end of the data; everything happened before it. In microseconds.
        """
        self._seed_key = (*seed_key, "tasks", total)
        self._timeline = Timeline(seeded_random(*seed_key, "timeline"))
        self._total = total
        self._until = until

    def rows(self, first: int, last: int) -> list[Row]:
        """Return the rows of the tasks numbered ``first`` to ``last`` (exclusive)."""
        random = seeded_random(*self._seed_key, first)
        count = last - first
        ages = self._timeline.ages(random, first, last, self._total)
        titles = random.choices(_POOL, k=count)
        versions = random.choices(_VERSIONS, weights=_VERSION_SHARES, k=count)
        factors = random.choices(_FACTORS, k=count)
        rows: list[Row] = []
        for age, title, version, factor, tail in zip(
            ages, titles, versions, factors, id_tails(random, count), strict=True
        ):
            created = self._until - age
            edited = created + int(_EDIT_EVERY * (version - 1) * factor) % age
            sentences = random.sample(_SENTENCES, random.choice((0, 1, 1, 2, 3)))
            description = " ".join(sentences).format(team=random.choice(SUBJECTS["team"]))
            rows.append(
                (
                    new_id(created, tail),
                    title,
                    description,
                    version,
                    format_timestamp(created),
                    format_timestamp(edited),
                )
            )
        return rows


def _filled(title: str) -> Iterator[str]:
    """Yield the title with each value of its field."""
    field = next(name for _, name, _, _ in Formatter().parse(title) if name)
    values: Mapping[str, tuple[str, ...]] = SUBJECTS
    yield from (title.format(**{field: value}) for value in values[field])


_POOL: Final = [filled for title in _TITLES for filled in _filled(title)]
