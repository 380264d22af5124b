"""Whether a database refuses a row because no partition takes it."""

from typing import Final

#: PostgreSQL's error ``check_violation``; that of a missing partition names no constraint.
_CHECK_VIOLATION: Final = "23514"


def is_missing_partition(error: BaseException) -> bool:
    """Return whether this database error, as Django raises it, means that no partition takes a row."""
    cause = error.__cause__
    return (
        getattr(cause, "sqlstate", None) == _CHECK_VIOLATION
        and getattr(cause, "diag", None) is not None
        and cause.diag.constraint_name is None  # type: ignore[union-attr]
    )
