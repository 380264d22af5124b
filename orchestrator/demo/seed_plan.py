"""How much of what: the rows of one run of ``seed_demo``, batch by batch."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import zip_longest
from typing import Final, NamedTuple

from orchestrator.demo.agent_events import AgentEvents
from orchestrator.demo.jobs import EVENT_COLUMNS, JOB_COLUMNS, Lives
from orchestrator.demo.row_values import SECOND, Row
from orchestrator.demo.tasks import TASK_COLUMNS, Notes
from orchestrator.demo.users import USER_COLUMNS, People

#: Rows of one kind that are made, kept in memory and committed at once; a job comes with its history.
BATCH_ROWS: Final = 5_000

# Of five jobs that agents submit they report one thing of their own.
_JOBS_A_REPORT: Final = 5


class Rows(NamedTuple):
    """Rows of one table."""

    table: str
    columns: tuple[str, ...]
    rows: list[Row]


class Batch(NamedTuple):
    """Rows that belong into one transaction; ``entries`` of them are no part of a job's history."""

    entries: int
    tables: tuple[Rows, ...]


@dataclass(frozen=True, kw_only=True)
class SeedPlan:
    """What ``seed_demo`` adds.

    The same plan has the same rows. With another ``until`` they have the same names, statuses and distances
    in time, but other times, and other ids, since ids begin with the time.

    Attributes:
        jobs: how many jobs.
        events: how many events, or None for every job's history and a few of the agents' own. A number that
            is smaller than the histories leaves out the oldest jobs' events, as retention does; a larger one
            is filled up with events of agents.
        tasks: how many tasks.
        users: how many users.
        seed: tells one set of data from another.
        series: how many times the same data is in the database already; each has rows of its own.
        until: the instant that everything happened before.
    """

    jobs: int
    events: int | None
    tasks: int
    users: int
    seed: int
    until: datetime
    series: int = 0

    def batches(self) -> Iterator[Batch]:
        """Yield all rows, in batches that belong into one transaction each."""
        for first, last in _shares(self.users):
            yield Batch(last - first, (Rows("users", USER_COLUMNS, self._people.rows(first, last)),))
        for first, last in _shares(self.tasks):
            yield Batch(last - first, (Rows("tasks", TASK_COLUMNS, self._notes.rows(first, last)),))
        yield from self._work()

    def landmarks(self) -> Iterator[tuple[str, str, list[str]]]:
        """Yield what is in the database if this plan's rows are: a table, a column, some of its values."""
        for first, last in _shares(self.users):
            people = self._people.rows(first, last)
            for column in ("username", "email"):
                yield "users", column, [str(person[USER_COLUMNS.index(column)]) for person in people]
        if self.tasks:
            yield "tasks", "id", [str(self._notes.rows(*next(_shares(self.tasks)))[0][0])]
        for rows in next(self._work(), Batch(0, ())).tables:
            yield rows.table, "id", [str(row[0]) for row in rows.rows[:1]]

    @property
    def entries(self) -> int:
        """How many rows there are, not counting the histories, which come with their jobs."""
        return self.users + self.tasks + self.jobs + self._reports

    def _work(self) -> Iterator[Batch]:
        """Yield the jobs with their histories, and what the agents reported at the same time."""
        left_out = self._left_out
        batches = max(_batches(self.jobs), _batches(self._reports))
        shares = zip_longest(_shares(self.jobs), _shares(self._reports, batches), fillvalue=(0, 0))
        for share, reported in shares:
            jobs, events = self._lives.rows(*share)
            skipped = min(left_out, len(events))
            left_out -= skipped
            reports = self._agents.rows(*reported)
            tables = (
                Rows("jobs", JOB_COLUMNS, jobs),
                Rows("events", EVENT_COLUMNS, events[skipped:] + reports),
            )
            yield Batch(len(jobs) + len(reports), tables)

    @property
    def _names(self) -> tuple[object, ...]:
        return self.seed, self.series

    @property
    def _until(self) -> int:
        return int((self.until - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * SECOND

    @cached_property
    def _people(self) -> People:
        return People(self._names, self.users, self._until, f"-{self.series + 1}" if self.series else "")

    @cached_property
    def _lives(self) -> Lives:
        return Lives(self._names, self.jobs, self._until)

    @cached_property
    def _agents(self) -> AgentEvents:
        return AgentEvents(self._names, self._reports, self._until)

    @cached_property
    def _notes(self) -> Notes:
        return Notes(self._names, self.tasks, self._until)

    @cached_property
    def _histories(self) -> int:
        """How many events all jobs' histories have."""
        return sum(self._lives.events(first, last) for first, last in _shares(self.jobs))

    @cached_property
    def _reports(self) -> int:
        if self.events is None:
            return self.jobs // _JOBS_A_REPORT
        return max(0, self.events - self._histories)

    @cached_property
    def _left_out(self) -> int:
        return 0 if self.events is None else max(0, self._histories - self.events)


def _batches(rows: int) -> int:
    return -(-rows // BATCH_ROWS)


def _shares(rows: int, batches: int | None = None) -> Iterator[tuple[int, int]]:
    """Yield the first and last (exclusive) row of each batch: full ones, or so many alike."""
    if batches is None:
        yield from ((first, min(first + BATCH_ROWS, rows)) for first in range(0, rows, BATCH_ROWS))
    else:
        yield from ((rows * n // batches, rows * (n + 1) // batches) for n in range(batches))
