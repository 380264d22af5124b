"""Lists in parts: where no index gives all rows of a list in its order, one gives each part.

A B-tree gives one range and one order. The jobs that started after a moment are those made after it, nearly
all of which started after it too, so that a walk in the list's order fills a page; and those made before it
that waited for their start just then. Those that waited some seconds, some tens of seconds, some hundreds and
so on are searched one kind after the other: none was made longer before the moment than it waited, an index
gives them in the list's order, and a search ends where it has filled a page. In order of creation one part
comes after the other. In order of priority, what is beyond a position is the rest of its priority, then the
others.

The parts are together exactly the rows of the list, whatever those are: only the cost supposes what is usual.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connections
from django.db.models import DateTimeField, F, IntegerField, Q, QuerySet, UUIDField
from django.db.models.expressions import OrderBy, RawSQL
from django.db.models.lookups import Exact, GreaterThan, LessThan, LessThanOrEqual
from django.db.models.sql.where import WhereNode

from orchestrator.expressions import Apart, DigitsOfSeconds, Given, Unindexed, asked_with
from orchestrator.rows import found_beyond

#: Of the seconds of 300 years: nothing waits longer.
_MOST_DIGITS: Final = 10
#: SQLite's times have milliseconds only: a wait may be taken for one of a digit more or less.
_INACCURACY: Final = timedelta(seconds=1)
_EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)
_LAST_ID: Final = UUID(int=2**128 - 1)
_MADE_AT: Final = Given("created_at", DateTimeField())


@dataclass(frozen=True)
class Split:
    """The conditions of a list that is found in parts.

    Attributes:
        fixed: columns that have to be equal to a value.
        after: the rows are those made after this, if it is given.
        before: the rows are those made before this, if it is given.
        since: columns, times after that of creation, that have to be later than a moment.
        priorities: a condition of the priority.
    """

    fixed: tuple[tuple[str, Any], ...] = ()
    after: datetime | None = None
    before: datetime | None = None
    since: tuple[tuple[str, datetime], ...] = ()
    priorities: Q = field(default_factory=Q)

    @property
    def last(self) -> tuple[str, datetime]:
        """Return the column, with its moment, that has to be latest."""
        return max(self.since, key=lambda since: since[1])


@dataclass(frozen=True)
class Walk:
    """What is wanted of a list: its first rows beyond a position, in an order.

    Attributes:
        columns: of the order.
        descending: whether all of them descend.
        position: their values where the last page ended, or nothing.
        size: how many rows, at most.
    """

    columns: tuple[str, ...]
    descending: bool
    position: tuple[Any, ...]
    size: int

    @property
    def by_age(self) -> bool:
        """Tell whether the order is that of creation."""
        return self.columns[0] == "created_at"

    def of(self, rows: QuerySet[Any], **spelled: Any) -> QuerySet[Any]:
        """Return the first of the rows beyond the position.

        Args:
            rows: all of them.
            spelled: expressions for columns of the order that are to be written otherwise.
        """
        columns = [spelled.get(column, column) for column in self.columns]
        if self.position:
            rows = found_beyond(rows, columns, self.position, descending=self.descending)
        expressions = (F(column) if isinstance(column, str) else column for column in columns)
        order = (OrderBy(expression, descending=self.descending) for expression in expressions)
        return rows.order_by(*order)[: self.size]


class Search(NamedTuple):
    """A query of SQL, with its parameters, that finds some of a part's rows."""

    sql: str
    parameters: Sequence[Any]


@dataclass(frozen=True)
class Part:
    """Rows of a list that are found together.

    Attributes:
        rows: the first of them, in the list's order.
        searches: those that the rows are found by; none where the rows are one walk.
    """

    rows: QuerySet[Any]
    searches: Sequence[Search] = ()


def first_rows(
    rows: QuerySet[Any], split: Split, walk: Walk, position: Callable[[Any], tuple[Any, ...]]
) -> list[Any]:
    """Return the first rows of a list beyond a position.

    Args:
        rows: those of the list, with the columns that are wanted.
        split: the list's conditions, all of them.
        walk: what is wanted.
        position: tells where a row stands.
    """
    found: list[Any] = []
    for one, begun in _stretches(split, walk):
        found += _first_of(_parts(rows, one, begun), begun, position)
        if len(found) >= walk.size:
            break
    return found[: walk.size]


def parts(rows: QuerySet[Any], split: Split, walk: Walk) -> Iterator[Part]:
    """Yield all that may be asked for the first rows of a list beyond a position; see ``first_rows``."""
    for one, begun in _stretches(split, walk):
        yield from _parts(rows, one, begun)


def _first_of(found_in: Iterator[Part], walk: Walk, position: Callable[[Any], tuple[Any, ...]]) -> list[Any]:
    found: list[Any] = []
    for part in found_in:
        found += part.rows
        if walk.by_age and len(found) >= walk.size:
            break  # in order of creation one part comes after the other
    if not walk.by_age:
        found.sort(key=position, reverse=walk.descending)
    return found


def _stretches(split: Split, walk: Walk) -> Iterator[tuple[Split, Walk]]:
    """Yield the list's stretches, one after the other, each with what is wanted of it."""
    if walk.by_age:
        yield split, walk
        return
    rest = replace(walk, columns=walk.columns[1:], position=walk.position[1:])
    if "priority" in dict(split.fixed):
        yield split, rest
    elif not walk.position:
        yield split, walk
    else:
        priority = walk.position[0]
        yield replace(split, fixed=(*split.fixed, ("priority", priority))), rest
        others = Q(priority__lt=priority) if walk.descending else Q(priority__gt=priority)
        yield replace(split, priorities=others), replace(walk, position=())


def _parts(rows: QuerySet[Any], split: Split, walk: Walk) -> Iterator[Part]:
    """Yield the parts of a stretch; in order of creation one part after the other."""
    if not split.since:
        yield _made_between(rows, split, walk)
        return
    _, moment = split.last
    later = replace(split, after=max(moment, split.after or moment))
    if not walk.by_age:
        yield _made_between(rows, later, walk)
        yield _made_before(rows, split, walk)
        return
    for is_later in (walk.descending, not walk.descending):
        begun = walk
        if walk.position and (walk.position[0] > moment) is not is_later:
            if is_later is walk.descending:
                continue  # it ends before the position
            begun = replace(walk, position=())
        yield _made_between(rows, later, begun) if is_later else _made_before(rows, split, begun)


def _made_between(rows: QuerySet[Any], split: Split, walk: Walk) -> Part:
    """Return the rows in the order of an index: of their time of creation, or of their priority and that."""
    # As equations they would admit the index of claimable jobs.
    conditions: list[Any] = [Q(**{f"{column}__in": [value]}) for column, value in split.fixed]
    conditions += [GreaterThan(Unindexed(column), moment) for column, moment in split.since]
    if split.after:
        conditions.append(Q(created_at__gt=split.after))
    if split.before:
        conditions.append(Q(created_at__lt=split.before))
    if not walk.by_age:
        conditions.append(_priorities(rows, split))
    return Part(walk.of(_only(rows, conditions)))


def _made_before(rows: QuerySet[Any], split: Split, walk: Walk) -> Part:
    """Return the rows made by a moment and later than it in a column, as the searches find them."""
    column, moment = split.last
    conditions: list[Any] = [GreaterThan(Apart(column), moment), Q(**{f"{column}__isnull": False})]
    conditions += [GreaterThan(Unindexed(name), since) for name, since in split.since if name != column]
    # Of these columns only the priority is in the index.
    conditions += [
        Exact(F(name) if name == "priority" else Unindexed(name), value) for name, value in split.fixed
    ]
    if split.before and split.before <= moment:
        conditions.append(LessThan(Apart("created_at"), split.before))
    else:
        conditions.append(LessThanOrEqual(Apart("created_at"), moment))
    if not walk.by_age:
        conditions.append(_priorities(rows, split))
    jobs = _only(rows.model.objects.using(rows.db), conditions)
    searches = tuple(_searches(jobs, split, walk))
    found = _only(rows, [Q(pk__in=_first_of_all(searches, walk))])
    # By their ids, so that of the others nothing is read.
    first, *_ = walk.columns
    return Part(replace(walk, position=()).of(found, **{first: Unindexed(first)}), searches)


def _searches(jobs: QuerySet[Any], split: Split, walk: Walk) -> Iterator[Search]:
    """Yield what searches for the first of the jobs of each number of digits of seconds."""
    column, moment = split.last
    took: list[Any] = [Exact(DigitsOfSeconds(column, "created_at"), Given("digits", IntegerField()))]
    if walk.by_age and not walk.descending:
        # Where the earliest may be or where the last page ended, whichever is later.
        begin = walk.position
        walk = replace(walk, position=(_MADE_AT, Given("id", UUIDField())))
    else:
        begin = ()
        took.append(GreaterThan(Apart("created_at"), _MADE_AT))
    found = walk.of(jobs.filter(*took), created_at=Apart("created_at")).values_list(*walk.columns)
    given = []
    for digits in range(1, _MOST_DIGITS + 1):
        longest = timedelta(seconds=10**digits) + _INACCURACY
        earliest = moment - longest if moment - _EARLIEST > longest else _EARLIEST
        made_at, last_id = max((max(earliest, split.after or earliest), _LAST_ID), begin)
        given.append({"digits": digits, "created_at": made_at, "id": last_id})
    for sql, parameters in asked_with(found.query, given, connections[jobs.db]):
        yield Search(sql, parameters)


def _first_of_all(searches: Sequence[Search], walk: Walk) -> RawSQL:
    """Return the ids of the first rows of all that some searches find."""
    # Django's own SQL and names of columns; every value is a parameter.
    each = " UNION ALL ".join(f"SELECT * FROM ({search.sql}) AS one" for search in searches)  # noqa: S608
    order = ", ".join(f"{column} {'DESC' if walk.descending else 'ASC'}" for column in walk.columns)
    sql = f"SELECT id FROM ({each}) AS found ORDER BY {order} LIMIT {walk.size}"  # noqa: S608
    parameters = [parameter for search in searches for parameter in search.parameters]
    return RawSQL(sql, parameters)  # noqa: S611


def _priorities(rows: QuerySet[Any], split: Split) -> Q:
    """Return the condition that bounds the priority, so that an index is searched by what follows it."""
    if connections[rows.db].vendor != "sqlite":
        return split.priorities  # PostgreSQL skips through the index by itself
    jobs = rows.model.objects.using(rows.db).order_by()
    return Q(priority__in=jobs.filter(split.priorities).values("priority").distinct())


def _only(rows: QuerySet[Any], conditions: Sequence[Any]) -> QuerySet[Any]:
    """Return the rows of some conditions, and of no others, with the same columns."""
    chosen = rows.all()
    chosen.query.where = WhereNode()
    return chosen.filter(*conditions)
