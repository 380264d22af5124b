"""The database's report: every section asked with a bound on its time, and told even if another fails."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from monitoring import (
    disk,
    engines,
    findings,
    index_usage,
    missing_indexes,
    partitions,
    pools,
    query_stats,
    readiness,
    registry,
    retention,
    rules,
    snapshots,
    tables,
)
from monitoring.cache_report import CacheHealth
from monitoring.disk import Disk
from monitoring.findings import Finding
from monitoring.hot_queries import PlanCheck
from monitoring.index_usage import IndexUsage
from monitoring.limits import SILENT_AFTER, Look, Patience, TooSlowError
from monitoring.missing_indexes import MissingIndex
from monitoring.partitions import Partitioned
from monitoring.pools import PoolFigures
from monitoring.retention import Expired
from monitoring.serialization import now_text
from monitoring.tables import TableFigures

#: Seconds that one section may take of a database that is slow, but answers.
_LONGEST_SECTION: Final = 3.0

#: Part of the report's patience that the cache's health may take.
_CACHE_SHARE: Final = 0.75

logger = logging.getLogger(__name__)
T = TypeVar("T")

#: Milliseconds after which the server itself gives up on a question, or on a lock that one needs.
_GIVE_UP: Final = "SET LOCAL statement_timeout = 400; SET LOCAL lock_timeout = 200"


@dataclass(frozen=True)
class DatabaseReport:
    """What is known of the database, and what follows from it.

    Args:
        errors: why a section could not be told, by its name.
        sessions: those that run long, are blocked, or are idle in a transaction.
        suspects: routes that seem to ask once for each row.
        disk: the room that is left.
        partitioned: tables that are partitioned by range, or None where there can be none.
        expired: rows that are older than they are kept for.
        index_uses: what each index is good for.
        missing_indexes: those that the models declare and the database does not have.
        slow_queries: statements by the time that they took in all.
        replication: how far each replica is behind, or None where that cannot be told.
    """

    cache: CacheHealth
    tables: tuple[TableFigures, ...] = ()
    plans: tuple[PlanCheck, ...] = ()
    server: Mapping[str, Any] = field(default_factory=dict)
    connections: Mapping[str, Any] = field(default_factory=dict)
    pools: tuple[PoolFigures, ...] = ()
    sessions: tuple[Mapping[str, Any], ...] = ()
    slow_queries: tuple[Mapping[str, Any], ...] = ()
    suspects: tuple[Mapping[str, Any], ...] = ()
    replication: tuple[Mapping[str, Any], ...] | None = None
    disk: Disk | None = None
    partitioned: tuple[Partitioned, ...] | None = None
    expired: tuple[Expired, ...] = ()
    missing_indexes: tuple[MissingIndex, ...] = ()
    index_uses: tuple[IndexUsage, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def silent(self) -> bool:
        """Tell whether the database answers nothing at all."""
        return "server" in self.errors

    def as_json(self) -> dict[str, Any]:
        """Return the report as the endpoint shows it."""
        return {
            "table_statistics": {table.name: table.as_json() for table in self.tables},
            "cache_status": self.cache.as_json(),
            "query_plans": [
                {
                    "query": plan.query,
                    "index": plan.index,
                    "expected": plan.expected,
                    "ok": plan.ok,
                    "ms": plan.ms,
                }
                for plan in self.plans
            ],
            "index_upkeep": [use.as_json() for use in self.index_uses],
            "server": dict(self.server),
            "connections": {**self.connections, "pools": [pool.as_json() for pool in self.pools]},
            "sessions": list(self.sessions),
            "replication": None if self.replication is None else list(self.replication),
            "disk": self.disk and self.disk.as_json(),
            "partitions": None
            if self.partitioned is None
            else [table.as_json() for table in self.partitioned],
            "slow_queries": list(self.slow_queries),
            "n_plus_one_suspects": list(self.suspects),
            "errors": dict(self.errors),
            "recommendations": [finding.as_json() for finding in self.findings],
            "query_optimization": [
                finding.as_json() for finding in self.findings if finding.id.startswith(rules.ABOUT_QUERIES)
            ],
        }


def document(report: DatabaseReport) -> dict[str, Any]:
    """Return the document about a database's performance."""
    return {"database_performance": report.as_json(), "timestamp": now_text()}


class _Sections:
    """Asks one section after the other; once the database has hung, the others are not asked any more."""

    def __init__(self, patience: Patience) -> None:
        self.errors: dict[str, str] = {}
        self._patience = patience
        self._hung: str | None = None

    def ask(self, name: str, look: Callable[[BaseDatabaseWrapper], T], otherwise: T) -> T:
        """Return what a section says, or ``otherwise`` with an entry in ``errors``."""
        if self._hung:
            self.errors[name] = self._hung
            return otherwise
        try:
            return _answer(Look(lambda: _bounded(look)), self._patience)
        except TooSlowError as error:
            self._hung = self.errors[name] = f"the database gave {error}"
        except (DatabaseError, InterfaceError) as error:
            # The log has the server's words; they may tell its address.
            logger.warning("the database does not tell %s: %s", name, str(error).strip().partition("\n")[0])
            self.errors[name] = "the database does not answer this question"
        return otherwise


def _answer(look: Look[T], patience: Patience) -> T:
    """Return a section's answer: one that takes long is waited for as long as the database still answers."""
    until = time.monotonic() + _LONGEST_SECTION
    while True:
        began = time.monotonic()
        try:
            return patience.answer(look, SILENT_AFTER)
        except TooSlowError:
            if began > until or not _is_alive(began, patience):
                raise


def _is_alive(since: float, patience: Patience) -> bool:
    """Tell whether the database answers: anybody in this process, as a busy one shows, or a ping."""
    if not query_stats.answered_since(since):
        with suppress(TooSlowError, DatabaseError, InterfaceError):
            patience.answer(Look(readiness.ping))
    alive = query_stats.answered_since(since)
    if alive:
        patience.renew()
    return alive


def _bounded(look: Callable[[BaseDatabaseWrapper], T]) -> T:
    connection = connections[DEFAULT_DB_ALIAS]
    with _patient(connection):
        return look(connection)


@contextmanager
def _patient(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Let no statement run or wait for long. On SQLite a transaction would wait for whoever writes."""
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(using=connection.alias):
        with connection.cursor() as cursor:
            cursor.execute(_GIVE_UP)
        yield


def database_report(*, plans: bool = True, patience: Patience | None = None) -> DatabaseReport:
    """Return all that is known of the database now.

    Args:
        plans: ask the planner about the hot queries, too.
        patience: what is left of it, if somebody was silent already.
    """
    watched, patience = registry.monitored_app(), patience or Patience()
    sections = _Sections(patience)
    # Meanwhile. It asks the database as well, and has to be back when that is given up.
    cache = Look(partial(watched.cache, Patience(patience.left * _CACHE_SHARE)), "cache")
    names = tuple(table.name for table in watched.tables)
    exact: Mapping[str, int] = sections.ask("rows", lambda _: watched.rows(), {})
    measured: tuple[TableFigures, ...] = sections.ask("tables", lambda c: tables.measure(c, names, exact), ())
    known = sections.ask("growth", lambda _: snapshots.with_history(measured), measured)
    none: Sequence[PlanCheck] = ()
    examined = tuple(sections.ask("query_plans", lambda _: watched.query_plans(), none)) if plans else ()
    report = DatabaseReport(
        cache=_cache(cache, patience),
        tables=known,
        plans=examined,
        server=sections.ask("server", lambda c: engines.of(c).server(c), {}),
        connections=sections.ask("connections", lambda c: engines.of(c).connections(c), {}),
        pools=pools.figures(),
        sessions=tuple(sections.ask("sessions", _sessions, [])),
        slow_queries=tuple(sections.ask("slow_queries", _slow, query_stats.slowest())),
        suspects=query_stats.suspects(),
        replication=sections.ask("replication", _replication, None),
        disk=sections.ask("disk", lambda c: disk.measure(c, known), None),
        partitioned=sections.ask("partitions", lambda c: partitions.measure(c, timezone.now()), None),
        expired=sections.ask("retention", lambda c: retention.expired(c, watched.tables, known), ()),
        missing_indexes=sections.ask("schema", lambda c: missing_indexes.missing_indexes(c, known), ()),
        index_uses=sections.ask("index_uses", lambda _: _uses(examined), ()),
        errors=sections.errors,
    )
    return _judged(report, sections)


def _cache(look: Look[CacheHealth], patience: Patience) -> CacheHealth:
    try:
        return patience.answer(look)
    except TooSlowError as error:
        return CacheHealth("unhealthy", error=str(error))


def _uses(examined: tuple[PlanCheck, ...]) -> tuple[IndexUsage, ...]:
    """Return what each index is good for, which nobody can tell without the plans."""
    if not examined:
        return ()
    watched = registry.monitored_app()
    return index_usage.index_usage(examined, reasons=watched.kept_indexes(), queries=watched.hot_queries())


def _judged(report: DatabaseReport, sections: _Sections) -> DatabaseReport:
    known = sections.ask("acknowledgements", lambda _: findings.acknowledgements(), findings.NONE_KNOWN)
    values = {name: getattr(report, name) for name in report.__dataclass_fields__}
    found = findings.settled(rules.findings(report), known)
    return DatabaseReport(**{**values, "findings": found, "errors": dict(sections.errors)})


def _sessions(connection: BaseDatabaseWrapper) -> Sequence[Mapping[str, Any]]:
    """Return sessions, their statements without the values that somebody sent."""
    rows = engines.of(connection).sessions(connection)
    return [{**row, "query": query_stats.normalised(row["query"] or "")} for row in rows]


def _slow(connection: BaseDatabaseWrapper) -> list[dict[str, Any]]:
    """Return the statements that took the most time: as the server counts them, else as we do."""
    counted = engines.of(connection).statements(connection)
    if counted is None:
        return query_stats.slowest()
    told = [{**row, "query": query_stats.normalised(row["query"]), "source": "server"} for row in counted]
    return [*told, *query_stats.slowest()]


def _replication(connection: BaseDatabaseWrapper) -> tuple[Mapping[str, Any], ...] | None:
    rows = engines.of(connection).replication(connection)
    return None if rows is None else tuple(rows)
