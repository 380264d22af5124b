"""The rows of one run of ``seed_demo``."""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Final

from orchestrator.demo.agent_events import agent_events
from orchestrator.demo.jobs import jobs
from orchestrator.demo.tasks import tasks
from orchestrator.demo.users import users
from orchestrator.models import Event, Job, Task, User

Row = User | Task | Job | Event

# Agents report one event of their own for every five jobs that they submit.
_JOBS_PER_AGENT_EVENT: Final = 5
# More than a history has on average, so that the histories of so many jobs fit into a number of events.
_HISTORY_EVENTS: Final = 4


@dataclass(frozen=True, kw_only=True)
class SeedPlan:
    """The rows that ``seed_demo`` adds. The same plan has the same rows.

    Attributes:
        jobs: number of jobs.
        events: number of events; None: every job's history and a few events of agents. With fewer events
            than the histories have, only the newest jobs have a history, as after retention. The rest are
            events of agents.
        tasks: number of tasks.
        users: number of users.
        seed: seed of the random numbers.
        until: end of the data; everything happened before it.
    """

    jobs: int
    events: int | None
    tasks: int
    users: int
    seed: int
    until: datetime

    def rows(self, taken: Collection[str] = ()) -> Iterator[Sequence[Row]]:
        """Yield all rows; each job together with its history.

        Args:
            taken: names that no user gets.
        """
        numbers = (self.seed, self.jobs, self.events, self.tasks, self.users)
        random = Random(str(numbers))  # noqa: S311 - data that must be repeatable, not secret
        yield from ((user,) for user in users(random, self.users, self.until, taken))
        yield from ((task,) for task in tasks(random, self.tasks, self.until))
        left = math.inf if self.events is None else self.events
        first_with_history = self.jobs - left / _HISTORY_EVENTS
        for number, (job, history) in enumerate(jobs(random, self.jobs, self.until)):
            kept = history if number >= first_with_history and len(history) <= left else []
            left -= len(kept)
            yield job, *kept
        agents = self.jobs // _JOBS_PER_AGENT_EVENT if self.events is None else int(left)
        yield from ((event,) for event in agent_events(random, agents, self.until))

    @property
    def size(self) -> int:
        """Return the number of rows, or a little more if ``events`` is None."""
        events = self.jobs * _HISTORY_EVENTS if self.events is None else self.events
        return self.users + self.tasks + self.jobs + events
