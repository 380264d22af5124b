"""What the text of an SQL statement tells: whether it changes rows, and what is stale then."""

import re
from typing import Final

from orchestrator.cache import families

# What may stand before a statement's first word.
_NOTHING: Final = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/|\()*+"
_CHANGES: Final = r"(?:INSERT|UPDATE|DELETE|REPLACE|MERGE|TRUNCATE)\b"
_FIRST_WORD: Final = re.compile(rf"{_NOTHING}(?:{_CHANGES}|WITH\b.*?\b{_CHANGES})", re.IGNORECASE | re.DOTALL)
_TABLE: Final = re.compile(rf"\b(?:{'|'.join(families.OF_TABLE)})\b", re.IGNORECASE)


def changes_rows(sql: str) -> bool:
    """Tell whether a statement may change rows by itself; what a function it calls does is not looked at.

    Args:
        sql: one statement.
    """
    return _FIRST_WORD.match(sql) is not None


def families_changed(sql: str) -> frozenset[str]:
    """Return what can be stale after a statement: all that shows rows of a table whose name is in its text.

    Args:
        sql: one statement that changes rows.
    """
    named = {table.lower() for table in _TABLE.findall(sql)}
    return frozenset().union(*(families.OF_TABLE[table] for table in named))
