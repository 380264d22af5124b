"""What is wrong with a list's query."""

from typing import Final

_MAX_SHOWN: Final = 80


class InvalidQuery(ValueError):
    """A query that a list does not serve; the message says what is wrong, and what is allowed."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter
        self.message = message


def invalid_value(parameter: str, text: str, allowed: str) -> InvalidQuery:
    """Return the error for a value that a parameter does not take."""
    shown = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
    return InvalidQuery(parameter, f"Invalid value '{shown}'. Allowed: {allowed}.")
