"""Whether an SQL statement changes rows, by its text."""

import re
from typing import Final

# What may precede a statement's first word: whitespace, comments and parentheses.
_IGNORED: Final = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/|\()*+"
_CHANGES: Final = r"(?:INSERT|UPDATE|DELETE|REPLACE|MERGE|TRUNCATE)\b"
_CHANGE: Final = re.compile(rf"{_IGNORED}(?:{_CHANGES}|WITH\b.*?\b{_CHANGES})", re.IGNORECASE | re.DOTALL)


def changes_rows(sql: str) -> bool:
    """Return whether a statement may change rows, disregarding the functions that it calls.

    Args:
        sql: one statement.
    """
    return _CHANGE.match(sql) is not None
