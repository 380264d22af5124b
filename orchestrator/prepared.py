"""Queries kept as the SQL they come to: making it takes Django longer than a page takes the database."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import connections
from django.db.models import QuerySet

#: Queries kept at most.
KEPT: Final = 512


@dataclass(frozen=True)
class Prepared:
    """The SQL of a queryset of one column, with places for the parameters, and their values."""

    alias: str
    sql: str
    parameters: Sequence[Any]

    @classmethod
    def of(cls, texts: QuerySet[Any, str]) -> "Prepared":
        """Return what a queryset comes to."""
        sql, parameters = texts.query.get_compiler(texts.db).as_sql()
        return cls(texts.db, sql, parameters)

    def fetch(self) -> list[str]:
        """Return the column, as the database has it now."""
        with connections[self.alias].cursor() as cursor:
            cursor.execute(self.sql, self.parameters)
            return [text for (text,) in cursor.fetchall()]


_kept: OrderedDict[Hashable, Prepared] = OrderedDict()
_lock = threading.Lock()


def fetch(name: Hashable, texts: Callable[[], QuerySet[Any, str]]) -> list[str]:
    """Return what a queryset of one column of texts finds.

    Args:
        name: of the query: what has the same name, has the same SQL and parameters, whenever it is asked.
        texts: makes the queryset; not called where the SQL is known.
    """
    prepared = _kept.get(name)
    if prepared is None:
        prepared = Prepared.of(texts())
        with _lock:
            _kept[name] = prepared
            while len(_kept) > KEPT:
                _kept.popitem(last=False)
    return prepared.fetch()
