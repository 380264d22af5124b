"""Lists in parts: where no index gives all rows of a list in its order, one gives each part.

A B-tree gives one range and one order. The jobs that started after a moment, in order of creation, are those
made after it, nearly all of which started after it too, so that a walk in the list's order fills a page; and
those made before it that waited for their start just then: few, and found by how long they waited. Jobs of
a time of creation in order of priority are, beyond a position, the rest of its priority, then the others.

The parts are together exactly the rows of the list, whatever those are: only the cost supposes what is usual.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import connections
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import OrderBy
from django.db.models.lookups import Exact, GreaterThan, LessThan, LessThanOrEqual
from django.db.models.sql.where import WhereNode

from orchestrator.expressions import DigitsOfSeconds, Unindexed
from orchestrator.rows import found_beyond

#: Waits of more digits of seconds (30 years) are looked through, all of them.
_MOST_DIGITS: Final = 9
#: SQLite's times have milliseconds only: a wait may be taken for one of a digit more or less.
_INACCURACY: Final = timedelta(seconds=1)
_EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Split:
    """The conditions of a list that is found in parts.

    Attributes:
        fixed: columns that have to be equal to a value.
        after: the rows are those made after this, if it is given.
        before: the rows are those made before this, if it is given.
        since: columns, times after that of creation, that have to be later than a moment.
    """

    fixed: tuple[tuple[str, Any], ...] = ()
    after: datetime | None = None
    before: datetime | None = None
    since: tuple[tuple[str, datetime], ...] = ()


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

    def of(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the first of the rows beyond the position."""
        return self._first(rows, self.columns)

    def across(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the same of rows that are found by another index than the order's."""
        return self._first(rows, (Unindexed(self.columns[0]), *self.columns[1:]))

    def _first(self, rows: QuerySet[Any], columns: tuple[Any, ...]) -> QuerySet[Any]:
        if self.position:
            rows = found_beyond(rows, columns, self.position, descending=self.descending)
        expressions = (F(column) if isinstance(column, str) else column for column in columns)
        order = (OrderBy(expression, descending=self.descending) for expression in expressions)
        return rows.order_by(*order)[: self.size]


@dataclass(frozen=True)
class Part:
    """What gives the first rows of a part.

    Attributes:
        rows: the rows, in the list's order.
        across: whether these are only their ids, found by another index than the order's.
    """

    rows: QuerySet[Any]
    across: bool = False


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
    for part in parts(rows, split, walk):
        if part.across:
            # Put in order by their ids, so that of the others nothing is read.
            ids = [Q(pk__in=list(part.rows))]
            found += replace(walk, position=()).of(_only(rows, ids))
        else:
            found += part.rows
        if walk.by_age and len(found) >= walk.size:
            break  # in order of creation one part comes after the other
    if not walk.by_age:
        found.sort(key=position, reverse=walk.descending)
    return found[: walk.size]


def parts(rows: QuerySet[Any], split: Split, walk: Walk) -> Iterator[Part]:
    """Yield what gives the first rows of each part; in order of creation one part after the other."""
    if not split.since:
        yield from _made_between(rows, split, walk)
        return
    column, moment = max(split.since, key=lambda since: since[1])
    later = replace(split, after=max(moment, split.after or moment))
    if not walk.by_age:
        yield from _made_between(rows, later, walk)
        yield _waiting(rows, split, walk, column, moment)
        return
    for is_later in (walk.descending, not walk.descending):
        begun = walk
        if walk.position and (walk.position[0] > moment) is not is_later:
            if is_later is walk.descending:
                continue  # it ends before the position
            begun = replace(walk, position=())
        if is_later:
            yield from _made_between(rows, later, begun)
        else:
            yield _waiting(rows, split, begun, column, moment)


def _made_between(rows: QuerySet[Any], split: Split, walk: Walk) -> Iterator[Part]:
    """Yield the rows in the order of an index: of their time of creation, or of their priority and that."""
    conditions: list[Any] = [Q(**{column: value}) for column, value in split.fixed]
    conditions += [GreaterThan(Unindexed(column), moment) for column, moment in split.since]
    if split.after:
        conditions.append(Q(created_at__gt=split.after))
    if split.before:
        conditions.append(Q(created_at__lt=split.before))
    chosen = _only(rows, conditions)
    if walk.by_age or "priority" in dict(split.fixed):
        yield Part(walk.of(chosen))
        return
    others = rows.model.objects.using(rows.db).order_by().values("priority").distinct()
    if walk.position:
        first, *rest = walk.position
        equals = replace(walk, columns=walk.columns[1:], position=tuple(rest))
        yield Part(equals.of(chosen.filter(priority=first)))
        side = {f"priority__{'lt' if walk.descending else 'gt'}": first}
    else:
        side = {}
    if connections[rows.db].vendor == "sqlite":
        # Only where the priority is given can SQLite find a time in an index that begins with the priority;
        # PostgreSQL skips through the index by itself.
        chosen = chosen.filter(priority__in=others.filter(**side))
    else:
        chosen = chosen.filter(**side)
    yield Part(replace(walk, position=()).of(chosen))


def _waiting(rows: QuerySet[Any], split: Split, walk: Walk, column: str, moment: datetime) -> Part:
    """Return the rows made before a moment and later than it in a column: found first, then put in order."""
    conditions: list[Any] = [_spanning(column, moment), LessThanOrEqual(Unindexed("created_at"), moment)]
    conditions += [Exact(Unindexed(name), value) for name, value in split.fixed]
    conditions += [GreaterThan(Unindexed(name), since) for name, since in split.since]
    if split.after:
        conditions.append(GreaterThan(Unindexed("created_at"), split.after))
    if split.before:
        conditions.append(LessThan(Unindexed("created_at"), split.before))
    found = _only(rows.model.objects.using(rows.db), conditions)
    return Part(walk.across(found).values_list("pk", flat=True), across=True)


def _spanning(column: str, moment: datetime) -> Q:
    """Return the condition that a row was made by a moment, or just after, and not too long before it."""
    took = DigitsOfSeconds(column, "created_at")
    later = Q(**{f"{column}__isnull": False})
    spanning = Q(GreaterThan(took, _MOST_DIGITS)) & later
    for digits in range(1, _MOST_DIGITS + 1):
        longest = timedelta(seconds=10**digits) + _INACCURACY
        earliest = moment - longest if moment - _EARLIEST > longest else _EARLIEST
        # Each with an end of its own: one that all have PostgreSQL would put before them, and search by that.
        made = Q(created_at__gt=earliest, created_at__lt=moment + timedelta(microseconds=digits))
        spanning |= Q(Exact(took, digits)) & made & later
    return spanning


def _only(rows: QuerySet[Any], conditions: Sequence[Any]) -> QuerySet[Any]:
    """Return the rows of some conditions, and of no others, with the same columns."""
    chosen = rows.all()
    chosen.query.where = WhereNode()
    return chosen.filter(*conditions)
