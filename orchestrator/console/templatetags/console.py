"""Filters of the console's templates."""

from datetime import datetime
from typing import Any, Final

from django import template
from django.utils import timezone

from monitoring.formatting import human_bytes, human_duration
from orchestrator.console import html_formatting
from orchestrator.console.html_formatting import NOTHING

register = template.Library()
register.filter("ago", html_formatting.ago)
register.filter("readable", html_formatting.readable_json)
register.filter("payload_text", html_formatting.payload_text)

#: What a template passes for a missing value: None, or "" for an attribute of a missing object.
_MISSING: Final = (None, "")


@register.filter
def age(value: datetime | None) -> str:
    """Return how long ago a datetime was, without "ago"."""
    return NOTHING if value is None else human_duration((timezone.now() - value).total_seconds())


@register.filter
def time_left(expires_at: datetime | None) -> str:
    """Return how long it is until a lease expires, or how long ago it expired."""
    return "no lease" if expires_at is None else html_formatting.time_left(expires_at)


@register.filter
def grouped(number: Any) -> str:
    """Return a whole number with thousands separators."""
    return NOTHING if number in _MISSING else f"{number:,.0f}"


@register.filter
def percentage(share: Any) -> str:
    """Return a share of 1 as a percentage."""
    return NOTHING if share in _MISSING else f"{share:.1%}"


@register.filter
def size(number: Any) -> str:
    """Return a number of bytes with its unit."""
    return NOTHING if number in _MISSING else human_bytes(number)
