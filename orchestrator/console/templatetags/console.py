"""Filters of the console's templates."""

from datetime import datetime, timedelta
from typing import Any, Final

from django import template
from django.utils import timezone
from django.utils.safestring import SafeString

from monitoring.formatting import human_bytes, human_duration
from orchestrator.admin import formatting
from orchestrator.choices import JobStatus

register = template.Library()

#: What a template hands over where there is no value: none, or none of an object that is not there.
_ABSENT: Final = (None, "")


@register.filter
def badge(status: str) -> SafeString:
    """Return a job's status as a coloured word."""
    return formatting.badge(status, JobStatus)


@register.filter
def ago(instant: datetime | None) -> SafeString | str:
    """Return how long ago an instant was, with the exact one."""
    return formatting.ago(instant)


@register.filter
def age(instant: datetime | None) -> str:
    """Return how long it is since an instant."""
    return (
        formatting.NOTHING if instant is None else human_duration((timezone.now() - instant).total_seconds())
    )


@register.filter
def remaining(instant: datetime | None) -> str:
    """Return how long it is to an instant, or since when it has passed."""
    if instant is None:
        return "no lease"
    left = instant - timezone.now()
    if left < timedelta(0):
        return f"ran out {human_duration(-left.total_seconds())} ago"
    return f"{human_duration(left.total_seconds())} left"


@register.filter
def grouped(number: Any) -> str:
    """Return a number with its thousands told apart."""
    return formatting.NOTHING if number in _ABSENT else f"{number:,.0f}"


@register.filter
def share(rate: Any) -> str:
    """Return a share of 1 as a percentage."""
    return formatting.NOTHING if rate in _ABSENT else f"{rate:.1%}"


@register.filter
def size(number: Any) -> str:
    """Return bytes with their unit."""
    return formatting.NOTHING if number in _ABSENT else human_bytes(number)


@register.filter
def readable(value: Any) -> SafeString:
    """Return JSON with a line for each member."""
    return formatting.readable_json(value)
