"""Values as HTML, and as text where there is no value, for lists and pages."""

from datetime import datetime, timedelta

from django.db.models import TextChoices
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from monitoring.formatting import human_duration, human_timestamp
from orchestrator.json_codec import to_json

#: Text for a missing value.
NOTHING = "–"  # noqa: RUF001 - a dash


def badge(value: str, choices: type[TextChoices]) -> SafeString:
    """Return a choice's label as a coloured badge."""
    return format_html('<span class="badge badge-{}">{}</span>', value, choices(value).label)


def progress_bar(percent: int) -> SafeString:
    """Return a bar that shows a progress in per cent, with the number beside it."""
    return format_html(
        '<progress class="job-progress" aria-label="Progress" value="{}" max="100"></progress> {} %',
        percent,
        percent,
    )


def ago(value: datetime | None) -> SafeString | str:
    """Return how long ago a datetime was; hovering shows the timestamp."""
    if value is None:
        return NOTHING
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', value.isoformat(), human_timestamp(value), _since(value)
    )


def timestamp_and_age(value: datetime | None) -> SafeString | str:
    """Return a timestamp to the second, and how long ago it was."""
    if value is None:
        return NOTHING
    return format_html(
        '<time datetime="{}">{}</time> ({})', value.isoformat(), human_timestamp(value), _since(value)
    )


def age(value: datetime | None) -> str:
    """Return how long ago a datetime was, without "ago"."""
    return NOTHING if value is None else human_duration((timezone.now() - value).total_seconds())


def time_left(expires_at: datetime | None) -> str:
    """Return how long it is until a lease expires, or how long ago it expired."""
    if expires_at is None:
        return "no lease"
    seconds = (expires_at - timezone.now()).total_seconds()
    if seconds < 0:
        return f"expired {human_duration(-seconds)} ago"
    return f"{human_duration(seconds)} left"


def readable_json(value: object) -> SafeString:
    """Return JSON with one member per line."""
    return format_html('<pre class="json">{}</pre>', to_json(value, indent=True).decode())


def payload_text(payload: object, name: str) -> str:
    """Return a text member of an event's payload, or "": clients may send payloads of any shape."""
    value = payload.get(name) if isinstance(payload, dict) else None
    return value if isinstance(value, str) else ""


def _since(value: datetime) -> str:
    if timezone.now() - value < timedelta(minutes=1):
        return "just now"
    return f"{timesince(value, depth=1)} ago"
