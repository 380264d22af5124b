"""Expressions of SQL that Django has no name for, on both engines."""

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Func, IntegerField
from django.db.models.sql.compiler import SQLCompiler


class Unindexed(Func):
    """A column's value, in a way that no index on the column serves, whatever the planner believes."""

    # Of one value it is that value, of any type; PostgreSQL does not simplify it away.
    function = "GREATEST"
    arity = 1

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **more: Any) -> Any:
        """Return what SQLite has for this purpose (https://www.sqlite.org/optoverview.html)."""
        return self.as_sql(compiler, connection, template="+%(expressions)s", **more)


class DigitsOfSeconds(Func):
    """How many digits the whole seconds from the second time back to the first have; 1 below ten seconds.

    Only what the engines have by themselves, and immutable, so that it can be in an index.
    """

    output_field = IntegerField()
    arity = 2

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **more: Any) -> Any:
        """Return the expression with PostgreSQL's interval."""
        template = "length(trunc(extract(epoch FROM (%(expressions)s)))::bigint::text)"
        return self.as_sql(compiler, connection, template=template, arg_joiner=" - ", **more)

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **more: Any) -> Any:
        """Return the expression with SQLite's days, which tell milliseconds."""
        template = "length(CAST((julianday(%(expressions)s)) * 86400 AS INTEGER))"
        return self.as_sql(compiler, connection, template=template, arg_joiner=") - julianday(", **more)
