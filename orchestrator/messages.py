"""How errors show what a client sent."""

from typing import Any, Final

from orchestrator.encoding import to_json

_LONGEST: Final = 80


def shown(value: Any) -> str:
    """Return a value as JSON, cut where it gets too long to read."""
    text = to_json(value).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
