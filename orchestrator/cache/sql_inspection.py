"""Whether an SQL statement changes rows, by its text."""

import re
from typing import Final

# What may stand before a statement's first word.
_NOTHING: Final = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/|\()*+"
_CHANGES: Final = r"(?:INSERT|UPDATE|DELETE|REPLACE|MERGE|TRUNCATE)\b"
_FIRST_WORD: Final = re.compile(rf"{_NOTHING}(?:{_CHANGES}|WITH\b.*?\b{_CHANGES})", re.IGNORECASE | re.DOTALL)


def changes_rows(sql: str) -> bool:
    """Tell whether a statement may change rows by itself; what a function it calls does is not looked at.

    Args:
        sql: one statement.
    """
    return _FIRST_WORD.match(sql) is not None
