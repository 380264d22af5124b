"""The schedule of the background tasks, for Celery's beat, for cron and for the monitoring."""

from dataclasses import dataclass
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400


@dataclass(frozen=True, kw_only=True)
class ScheduledTask:
    """A task of the background worker, which is also a management command.

    Args:
        path: the task's import path. Its last part is the name of the command.
        every: seconds from one run to the next: less than an hour, an hour, or a day.
        max_seconds: seconds after which a run starts no further batch.
        minute: the minute of an hourly or daily run.
        hour: the hour of a daily run, in UTC.
        arguments: the arguments of the command that does the same.
    """

    path: str
    every: int
    max_seconds: int
    minute: int = 0
    hour: int = 0
    arguments: str = ""

    @property
    def name(self) -> str:
        """Return the name of the task and of its command."""
        return self.path.rpartition(".")[2]

    @property
    def is_frequent(self) -> bool:
        """Return whether it runs at an interval; others run at fixed times, which a restart does not move."""
        return self.every < _HOUR

    @property
    def hours(self) -> str:
        """Return the hours of a run as cron writes them."""
        return str(self.hour) if self.every == _DAY else "*"

    @property
    def cron(self) -> str:
        """Return the five fields of the task's line for cron, whose shortest interval is a minute."""
        if self.every <= _MINUTE:
            return "* * * * *"
        if self.is_frequent:
            return f"*/{self.every // _MINUTE} * * * *"
        return f"{self.minute} {self.hours} * * *"

    @property
    def soft_limit(self) -> int:
        """Return the seconds after which Celery interrupts a run whose statement does not return."""
        return 2 * self.max_seconds

    @property
    def hard_limit(self) -> int:
        """Return the seconds after which Celery kills the run's process and another run may begin."""
        return self.soft_limit + 10
