"""How error messages show values that a client sent."""

from typing import Any, Final

from orchestrator.json_codec import to_json

_MAX_LENGTH: Final = 80


def format_value(value: Any) -> str:
    """Return a value as JSON, cut to a readable length; a list or an object only as ``[…]`` or ``{…}``."""
    if isinstance(value, dict | list):
        return "{…}" if isinstance(value, dict) else "[…]"
    text = to_json(value).decode()
    return text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}…"
