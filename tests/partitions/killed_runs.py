"""Ends a run at one of its statements, as a kill would."""

from collections.abc import Callable
from typing import Any

from django.db import connection


class Killed(BaseException):
    """The run was killed."""


class Statements:
    """An execute wrapper of Django that counts statements and can lose the connection at one of them."""

    def __init__(self) -> None:
        """Count, and kill nothing."""
        self.count = 0
        self.kill_at: int | None = None

    def __call__(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        """Execute a statement, or close the connection instead."""
        self.count += 1
        if self.count == self.kill_at:
            connection.connection.close()
            raise Killed
        return execute(*arguments)
