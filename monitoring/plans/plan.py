"""The values that every reader of plans takes and gives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

#: What an index that serves a table's primary key is called here: each engine has a name of its own for it.
PRIMARY_KEY: Final = "primary key"


#: Rows that are put in order in a millisecond.
FEW_ROWS: Final = 1000


class Statement(NamedTuple):
    """A query as a cursor takes it."""

    sql: str
    parameters: Sequence[Any] = ()


class Sort(StrEnum):
    """What of a query's order the index does not give."""

    NONE = "none"
    #: Only rows that are equal in all but the last column of the order are put in order.
    TIES = "ties"
    #: The rows are put in order after they were read; the planner believes them to be few.
    FEW = "few"
    FULL = "full"


@dataclass(frozen=True)
class Reading:
    """How a plan shall be read.

    Args:
        analyze: run the query too, for its real time and rows.
        penalized: ask whether an index *can* serve the query, by making it dear to do without one; else what
            the planner chooses freely. Small tables are cheaper read whole: of them only the first tells.
        seconds: how long the query may take.
    """

    analyze: bool = False
    penalized: bool = False
    seconds: float = 2.0


@dataclass(frozen=True)
class Plan:
    """How an engine answers a query.

    Args:
        indexes: those it reads the table by; a partition's are called by their parent's name.
        conditions: columns whose conditions bound the part of the index that is read.
        full_scan: whether the table, or an index, is read without any such bound: to its end, unless a limit
            is reached before.
        sort: what of the order the index does not give.
        avoidable: whether the engine had no better way than one that was made dear.
        ms: milliseconds that it took: the query where it was run, else the planning.
        rows: rows that the query gave, or None where it was not run.
        buffers: pages that it touched, or None where that cannot be told.
    """

    indexes: tuple[str, ...]
    conditions: tuple[str, ...]
    full_scan: bool
    sort: Sort
    avoidable: bool = False
    ms: float | None = None
    rows: int | None = None
    buffers: int | None = None


#: What asks a database for plans.
Reader = Callable[[Statement, Reading], Plan]
