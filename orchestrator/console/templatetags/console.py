"""Filters of the console's templates."""

from datetime import datetime, timedelta
from typing import Any, Final

from django import template
from django.utils import timezone
from django.utils.safestring import SafeString

from orchestrator.admin import display
from orchestrator.choices import JobStatus
from orchestrator.console.charts import seconds

register = template.Library()

#: What a template hands over where there is no value: none, or none of an object that is not there.
_ABSENT: Final = (None, "")


@register.filter
def badge(status: str) -> SafeString:
    """Return a job's status as a coloured word."""
    return display.badge(status, JobStatus)


@register.filter
def ago(instant: datetime | None) -> SafeString | str:
    """Return how long ago an instant was, with the exact one."""
    return display.ago(instant)


@register.filter
def age(instant: datetime | None) -> str:
    """Return how long it is since an instant."""
    return display.NOTHING if instant is None else seconds((timezone.now() - instant).total_seconds())


@register.filter
def remaining(instant: datetime | None) -> str:
    """Return how long it is to an instant, or since when it has passed."""
    if instant is None:
        return "no lease"
    left = instant - timezone.now()
    if left < timedelta(0):
        return f"ran out {seconds(-left.total_seconds())} ago"
    return f"{seconds(left.total_seconds())} left"


@register.filter
def grouped(number: Any) -> str:
    """Return a number with its thousands told apart."""
    return display.NOTHING if number in _ABSENT else f"{number:,.0f}"


@register.filter
def share(rate: Any) -> str:
    """Return a share of 1 as a percentage."""
    return display.NOTHING if rate in _ABSENT else f"{rate:.1%}"


@register.filter
def size(number: Any) -> str:
    """Return bytes in the unit that suits them."""
    if number in _ABSENT:
        return display.NOTHING
    left = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(left) < 1000:  # noqa: PLR2004 - the next unit
            return f"{left:.0f} {unit}" if unit == "B" else f"{left:.1f} {unit}"
        left /= 1000
    return f"{left:.1f} TB"


@register.filter
def readable(value: Any) -> SafeString:
    """Return JSON with a line for each member."""
    return display.readable_json(value)
