"""What is watched: handed over once, by the application that has tables, hot queries and a cache.

The monitoring itself knows none of them. ``orchestrator/watched.py`` says what it is here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from monitoring.cache_report import CacheHealth, no_cache
from monitoring.hot_queries import HotQuery, PlanCheck
from monitoring.limits import Patience


class VerifiedRows(Protocol):
    """A number of rows that is kept, beside what counting found."""

    @property
    def table(self) -> str:
        """Return the table."""

    @property
    def kept(self) -> int:
        """Return the number that was kept."""

    @property
    def counted(self) -> int:
        """Return the number that was counted."""


@dataclass(frozen=True)
class Retention:
    """For how long a table's rows are kept.

    Args:
        column: the moment that a row's age counts from.
        days: how old a row may become.
        condition: SQL that further restricts which rows go; it names no value that a client sent.
        setting: the setting that says how many days.
    """

    column: str
    days: int
    setting: str
    condition: str = ""


@dataclass(frozen=True)
class Table:
    """A table that is watched.

    Args:
        name: in the database.
        retention: for how long its rows are kept; None: for good.
        large_from: rows from which partitioning is advised; None where it makes no sense.
    """

    name: str
    retention: Retention | None = None
    large_from: int | None = None


@dataclass(frozen=True)
class MonitoredApp:
    """All that an application hands over.

    Args:
        tables: those to be measured.
        cache: tells how the cache is, as far as the patience that it is given allows; never raises.
        rows: returns the exact number of rows by table, without counting them.
        verify: counts the rows and compares; puts wrong numbers right if told to. Takes long.
        hot_queries: returns every hot query.
        query_plans: asks the planner about one hot query of each index, on the default database.
        kept_indexes: why indexes stay whose work another one could do, by name.
        ttl_settings: the setting that says for how long answers are kept, by group of answers.
    """

    tables: tuple[Table, ...] = ()
    cache: Callable[[Patience], CacheHealth] = lambda _patience: no_cache()
    rows: Callable[[], Mapping[str, int]] = dict
    verify: Callable[[bool], Sequence[VerifiedRows]] = lambda _repair: ()
    hot_queries: Callable[[], Sequence[HotQuery]] = tuple
    query_plans: Callable[[], Sequence[PlanCheck]] = tuple
    kept_indexes: Callable[[], Mapping[str, str]] = dict
    ttl_settings: Mapping[str, str] = field(default_factory=dict)


_monitored_app = MonitoredApp()


def register(app: MonitoredApp) -> None:
    """Take what is to be watched from now on."""
    global _monitored_app  # noqa: PLW0603 - set once, while the applications are loaded
    _monitored_app = app


def monitored_app() -> MonitoredApp:
    """Return what is watched."""
    return _monitored_app
