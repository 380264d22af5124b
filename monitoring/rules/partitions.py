"""Rules about partitions."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from monitoring.findings import Finding, Level
from monitoring.rules.commands import has_command

if TYPE_CHECKING:
    from monitoring.report import DatabaseReport

#: Days of partitions from which somebody should make more, and must.
_SOON: Final = 7
_NOW: Final = 1


def runway(report: "DatabaseReport") -> Iterator[Finding]:
    """Find tables that soon have no partition for new rows: these are refused, or go to the default one."""
    for parted in report.partitioned or ():
        if parted.days is None or parted.days > _SOON:
            continue
        level: Level = "critical" if parted.days <= _NOW and not parted.has_default else "warning"
        command = f"partition_{parted.table}"
        yield Finding(
            f"partitions:runway:{parted.table}",
            level,
            f"The partitions of {parted.table} end in {parted.days:g} days"
            if parted.days
            else f"{parted.table} has no partition for new rows",
            parted.as_json(),
            f"python manage.py {command}" if has_command(command) else parted.sql,
        )
