"""Expressions of SQL that Django has no name for, on both engines."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Expression, Field, Func, IntegerField
from django.db.models.functions import Now
from django.db.models.sql import Query
from django.db.models.sql.compiler import SQLCompiler


class CurrentTimestamp(Now):
    """The time of the statement as a column's default, in the format in which Django stores datetimes.

    On SQLite, whose clock has milliseconds, the last three digits are always 001: Django leaves a fraction of
    zero out, and these texts must sort and compare like those that Django writes.
    """

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **more: Any) -> Any:
        """Return the expression with six digits of a fraction."""
        template = "STRFTIME('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f', 'NOW') || '001'"
        return self.as_sql(compiler, connection, template=template, **more)


class Unindexed(Func):
    """A column's value, in a way that no index on the column serves, whatever the planner believes."""

    # Of one value it is that value, of any type; PostgreSQL does not simplify it away.
    function = "GREATEST"
    arity = 1

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **more: Any) -> Any:
        """Return what SQLite has for this purpose (https://www.sqlite.org/optoverview.html)."""
        return self.as_sql(compiler, connection, template="+%(expressions)s", **more)


class Apart(Func):
    """A column's value as an index of its own has it, so that no other index on the column is taken for it.

    In the index and in its queries alike. PostgreSQL believes what it knows of the column's values, and with
    statistics of yesterday it would walk the other index through all that is newer; SQLite, which has no such
    statistics, takes an index more of whose columns are given, and reads the plain column from it.
    """

    function = "GREATEST"
    arity = 1

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **more: Any) -> Any:
        """Return the column."""
        return self.as_sql(compiler, connection, template="%(expressions)s", **more)


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


class Given(Expression):
    """A value of a query that is made once and asked with several: see ``asked_with``.

    Args:
        name: what the value is called.
        field: a field whose values it may have.
    """

    def __init__(self, name: str, field: "Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        """Return its place, and itself where its value will be."""
        return "%s", [self]

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        """Return it as a column of the table that ``asked_with`` makes."""
        return f'"given"."{self.name}"', []


def asked_with(
    query: Query, given: Sequence[Mapping[str, Any]], connection: BaseDatabaseWrapper
) -> list[tuple[str, Sequence[Any]]]:
    """Return the SQL, with parameters, that asks a query with several values: one statement, or one for each.

    PostgreSQL plans the query once, whatever the values are. SQLite, which plans in no time and keeps what it
    has planned, has no LATERAL.

    Args:
        query: a query with values ``Given``.
        given: their values by name, one mapping each time; all have the same names, and all of the query's.
        connection: of the database that is asked.
    """
    sql, parameters = query.get_compiler(connection=connection).as_sql()
    if connection.vendor != "postgresql":
        return [(sql, [_value(one, values, connection) for one in parameters]) for values in given]
    names = ", ".join(f'"{name}"' for name in given[0])
    row = f"({', '.join(['%s'] * len(given[0]))})"
    table = f"(VALUES {', '.join([row] * len(given))}) AS given ({names})"
    values = [value for each in given for value in each.values()]
    return [(f"SELECT one.* FROM {table} CROSS JOIN LATERAL ({sql}) AS one", [*values, *parameters])]  # noqa: S608


def _value(parameter: Any, values: Mapping[str, Any], connection: BaseDatabaseWrapper) -> Any:
    if not isinstance(parameter, Given):
        return parameter
    return parameter.output_field.get_db_prep_value(values[parameter.name], connection)
