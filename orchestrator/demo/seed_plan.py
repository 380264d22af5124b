"""The rows of one run of ``seed_demo``, in batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import zip_longest
from typing import Final, NamedTuple

from orchestrator.demo.agent_events import AgentEventGenerator
from orchestrator.demo.jobs import EVENT_COLUMNS, JOB_COLUMNS, JobGenerator
from orchestrator.demo.row_values import SECOND, Row
from orchestrator.demo.tasks import TASK_COLUMNS, TaskGenerator
from orchestrator.demo.users import USER_COLUMNS, UserGenerator

#: Rows of one table that are generated and committed at once. Jobs include their histories.
BATCH_ROWS: Final = 5_000

# Agents report one event of their own for every five jobs that they submit.
_JOBS_PER_AGENT_EVENT: Final = 5


class TableRows(NamedTuple):
    """Rows of one table."""

    table: str
    columns: tuple[str, ...]
    rows: list[Row]


class Batch(NamedTuple):
    """Rows of one transaction. ``entries`` is their number without the events of job histories."""

    entries: int
    tables: tuple[TableRows, ...]


@dataclass(frozen=True, kw_only=True)
class SeedPlan:
    """The rows that ``seed_demo`` adds.

    The same plan has the same rows. With another ``until``, all timestamps move by the same amount. Ids
    change too, because they begin with a timestamp.

    Attributes:
        jobs: number of jobs.
        events: number of events; None: every job's history and a few events of agents. With fewer events
            than the histories have, the oldest ones are missing, as after retention. With more, the rest are
            events of agents.
        tasks: number of tasks.
        users: number of users.
        seed: seed of the random numbers.
        series: number of times that the same plan was loaded before. Each series has its own rows.
        until: end of the data; everything happened before it.
    """

    jobs: int
    events: int | None
    tasks: int
    users: int
    seed: int
    until: datetime
    series: int = 0

    def batches(self) -> Iterator[Batch]:
        """Yield all rows in batches, one for each transaction."""
        for first, last in _ranges(self.users):
            yield Batch(last - first, (TableRows("users", USER_COLUMNS, self._users.rows(first, last)),))
        for first, last in _ranges(self.tasks):
            yield Batch(last - first, (TableRows("tasks", TASK_COLUMNS, self._tasks.rows(first, last)),))
        yield from self._job_batches()

    def identifying_values(self) -> Iterator[tuple[str, str, list[str]]]:
        """Yield a table, a column and values that exist if and only if this plan was loaded before."""
        for first, last in _ranges(self.users):
            users = self._users.rows(first, last)
            for column in ("username", "email"):
                yield "users", column, [str(user[USER_COLUMNS.index(column)]) for user in users]
        if self.tasks:
            yield "tasks", "id", [str(self._tasks.rows(*next(_ranges(self.tasks)))[0][0])]
        for rows in next(self._job_batches(), Batch(0, ())).tables:
            yield rows.table, "id", [str(row[0]) for row in rows.rows[:1]]

    @property
    def entries(self) -> int:
        """Return the number of rows without the events of job histories."""
        return self.users + self.tasks + self.jobs + self._agent_events

    def _job_batches(self) -> Iterator[Batch]:
        """Yield the jobs with their histories, together with the agents' events of the same time."""
        left_to_skip = self._skipped_events
        batches = max(_batches(self.jobs), _batches(self._agent_events))
        ranges = zip_longest(_ranges(self.jobs), _ranges(self._agent_events, batches), fillvalue=(0, 0))
        for job_range, event_range in ranges:
            jobs, events = self._jobs.rows(*job_range)
            skipped = min(left_to_skip, len(events))
            left_to_skip -= skipped
            agent_events = self._agent_event_generator.rows(*event_range)
            tables = (
                TableRows("jobs", JOB_COLUMNS, jobs),
                TableRows("events", EVENT_COLUMNS, events[skipped:] + agent_events),
            )
            yield Batch(len(jobs) + len(agent_events), tables)

    @property
    def _seed_key(self) -> tuple[object, ...]:
        return self.seed, self.series

    @property
    def _until(self) -> int:
        return int((self.until - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * SECOND

    @cached_property
    def _users(self) -> UserGenerator:
        return UserGenerator(
            self._seed_key, self.users, self._until, f"-{self.series + 1}" if self.series else ""
        )

    @cached_property
    def _jobs(self) -> JobGenerator:
        return JobGenerator(self._seed_key, self.jobs, self._until)

    @cached_property
    def _agent_event_generator(self) -> AgentEventGenerator:
        return AgentEventGenerator(self._seed_key, self._agent_events, self._until)

    @cached_property
    def _tasks(self) -> TaskGenerator:
        return TaskGenerator(self._seed_key, self.tasks, self._until)

    @cached_property
    def _history_events(self) -> int:
        """Return the number of events in all job histories."""
        return sum(self._jobs.events(first, last) for first, last in _ranges(self.jobs))

    @cached_property
    def _agent_events(self) -> int:
        if self.events is None:
            return self.jobs // _JOBS_PER_AGENT_EVENT
        return max(0, self.events - self._history_events)

    @cached_property
    def _skipped_events(self) -> int:
        return 0 if self.events is None else max(0, self._history_events - self.events)


def _batches(rows: int) -> int:
    return -(-rows // BATCH_ROWS)


def _ranges(rows: int, batches: int | None = None) -> Iterator[tuple[int, int]]:
    """Yield the first and last (exclusive) row of each batch: full batches, or ``batches`` of equal size."""
    if batches is None:
        yield from ((first, min(first + BATCH_ROWS, rows)) for first in range(0, rows, BATCH_ROWS))
    else:
        yield from ((rows * n // batches, rows * (n + 1) // batches) for n in range(batches))
