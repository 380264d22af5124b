"""How errors show what a client sent."""

from typing import Any, Final

from orchestrator.encoding import to_json

_LONGEST: Final = 80


def format_value(value: Any) -> str:
    """Return a value as JSON, cut where it gets too long to read; of a list or an object only which it is."""
    if isinstance(value, dict | list):
        return "{…}" if isinstance(value, dict) else "[…]"
    text = to_json(value).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
