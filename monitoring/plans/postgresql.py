"""Plans of PostgreSQL, from ``EXPLAIN (FORMAT JSON)`` (https://www.postgresql.org/docs/18/sql-explain.html)."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, Final

from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring import index_catalog
from monitoring.index_catalog import Index
from monitoring.plans.plan import FEW_ROWS, PRIMARY_KEY, Plan, Reader, Reading, Sort, Statement
from monitoring.plans.shadow_tables import shadowed

_ROLLBACK: Final = "ROLLBACK TO SAVEPOINT plan; RELEASE SAVEPOINT plan"
_PENALIZED: Final = ("enable_seqscan", "enable_sort")
_SUBQUERIES: Final = ("InitPlan", "SubPlan")

Node = Mapping[str, Any]


@contextmanager
def reader(connection: BaseDatabaseWrapper, without: Index | None = None) -> Iterator[Reader]:
    """Yield a reader of PostgreSQL's plans.

    Plans without an index are made on an empty table, whose size the planner knows whatever the statistics
    say. So they show whether another index can serve a query, not which one would be chosen.
    """
    shadow = shadowed(connection, without.table, without.name) if without else nullcontext()
    with transaction.atomic(using=connection.alias), shadow:
        known = {index.name: index for index in index_catalog.all_indexes(connection)}
        yield partial(_read, connection, known)


def _read(
    connection: BaseDatabaseWrapper, known: Mapping[str, Index], statement: Statement, reading: Reading
) -> Plan:
    """Return the plan of a query, in one round trip to the server.

    Settings are ``LOCAL`` and rolled back, so the session, which may belong to a pool, does not change.
    """
    options = "ANALYZE, BUFFERS, TIMING OFF, " if reading.analyze else ""
    settings = "; ".join(f"SET LOCAL {name} = {value}" for name, value in _settings(reading))
    explain = f"EXPLAIN ({options}SUMMARY, FORMAT JSON) {statement.sql}"
    with connection.cursor() as cursor:
        try:
            cursor.execute(f"SAVEPOINT plan; {settings}; {explain}; {_ROLLBACK}", statement.parameters)
        except DatabaseError:
            cursor.execute(_ROLLBACK)
            raise
        while cursor.description is None:
            cursor.nextset()
        document = cursor.fetchone()[0]
    explained = (json.loads(document) if isinstance(document, str) else document)[0]
    return _plan(explained, list(_nodes(explained["Plan"])), known, analyzed=reading.analyze)


def _settings(reading: Reading) -> Iterator[tuple[str, str]]:
    yield "statement_timeout", str(max(1, round(reading.seconds * 1000)))
    # Compiling would dominate the time of a first run.
    yield "jit", "off"
    if reading.penalized:
        yield from ((penalty, "off") for penalty in _PENALIZED)


def _nodes(node: Node) -> Iterator[Node]:
    """Yield a plan's node and those below it that lead to the result, without those of subqueries."""
    yield node
    for child in node.get("Plans", ()):
        if child.get("Parent Relationship") not in _SUBQUERIES:
            yield from _nodes(child)


def _plan(explained: Node, nodes: list[Node], known: Mapping[str, Index], *, analyzed: bool) -> Plan:
    reads = [node for node in nodes if "Index Name" in node or node["Node Type"] == "Seq Scan"]
    reads = list(_without_small_partitions(reads, known))
    conditions = tuple(column for node in reads for column in _columns(node, known))
    root = explained["Plan"]
    return Plan(
        indexes=tuple(dict.fromkeys(_name(node, known) for node in reads if "Index Name" in node)),
        conditions=tuple(dict.fromkeys(conditions)),
        full_scan=any("Index Cond" not in node for node in reads),
        sort=max((_sort(node) for node in nodes), key=list(Sort).index),
        uses_disabled_node=any(node.get("Disabled", False) for node in nodes),
        ms=explained["Execution Time" if analyzed else "Planning Time"],
        rows=int(root["Actual Rows"]) if analyzed else None,
        buffers=root["Shared Hit Blocks"] + root["Shared Read Blocks"] if analyzed else None,
    )


def _without_small_partitions(reads: list[Node], known: Mapping[str, Index]) -> Iterator[Node]:
    """Leave out partitions of few rows: every access path is as good. The costliest one stays."""
    partitions = {index.table for index in known.values() if index.partition_of}
    costliest = max((node["Total Cost"] for node in reads), default=0)
    for node in reads:
        index = known.get(node.get("Index Name", ""))
        table = index.table if index else node.get("Relation Name")
        is_small = table in partitions and node["Plan Rows"] <= FEW_ROWS
        if not is_small or node["Total Cost"] == costliest:
            yield node


def _name(node: Node, known: Mapping[str, Index]) -> str:
    index = known.get(node["Index Name"])
    if index is None:  # it was created just now
        return str(node["Index Name"])
    return PRIMARY_KEY if index.primary else index.partition_of or index.name


def _columns(node: Node, known: Mapping[str, Index]) -> Iterator[str]:
    """Yield the columns of the index that its condition names."""
    if index := known.get(node.get("Index Name", "")):
        named = set(re.findall(r"\w+", re.sub(r"'(?:[^']|'')*'", "", node.get("Index Cond", ""))))
        yield from (column for column in index.columns if column in named)


def _sort(node: Node) -> Sort:
    if node["Node Type"] not in ("Sort", "Incremental Sort"):
        return Sort.NONE
    given = node.get("Presorted Key", ())
    if given and len(node["Sort Key"]) - len(given) == 1:
        return Sort.TIES
    return Sort.FEW if node["Plans"][0]["Plan Rows"] <= FEW_ROWS else Sort.FULL
