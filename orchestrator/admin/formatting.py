"""How values look in lists and on pages."""

from datetime import datetime, timedelta

from django.db.models import TextChoices
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from orchestrator.json_codec import to_json

#: What stands where there is no value.
NOTHING = "–"  # noqa: RUF001 - a dash


def badge(value: str, choices: type[TextChoices]) -> SafeString:
    """Return a choice as a coloured word."""
    return format_html('<span class="badge badge-{}">{}</span>', value, choices(value).label)


def ago(instant: datetime | None) -> SafeString | str:
    """Return how long ago an instant was; the exact one shows under the pointer."""
    if instant is None:
        return NOTHING
    exact = f"{instant:%Y-%m-%d %H:%M:%S} UTC"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', instant.isoformat(), exact, _since(instant)
    )


def to_the_second(moment: datetime | None) -> SafeString | str:
    """Return an instant to the second, and how long ago it was."""
    if moment is None:
        return NOTHING
    exact = f"{moment:%Y-%m-%d %H:%M:%S}"
    return format_html('<time datetime="{}">{} UTC</time> ({})', moment.isoformat(), exact, _since(moment))


def readable_json(value: object) -> SafeString:
    """Return JSON with a line for each member."""
    return format_html('<pre class="json">{}</pre>', to_json(value, indent=True).decode())


def payload_text(payload: object, name: str) -> str:
    """Return a text member of an event's payload, or "": clients may send payloads of any shape."""
    value = payload.get(name) if isinstance(payload, dict) else None
    return value if isinstance(value, str) else ""


def _since(moment: datetime) -> str:
    if timezone.now() - moment < timedelta(minutes=1):
        return "just now"
    return f"{timesince(moment, depth=1)} ago"
