"""Rules about connection pools."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.conf import settings

from monitoring.findings import Finding
from monitoring.processes import usable_cores
from monitoring.report_data import DatabaseReport, Figures

#: Requests from which a pool's figures are meaningful, and the share of them that may wait.
_MIN_REQUESTS: Final = 1000
_MAX_WAITING_SHARE: Final = 0.01

#: A pool is too large if it never used this share of its maximum and also claims this share of the server's
#: connections, or keeps this many connections open that were never used.
_NEVER_USED_SHARE: Final = 0.75
_CLAIMED_SHARE: Final = 0.5
_MIN_NEVER_USED: Final = 5


def too_many(report: DatabaseReport) -> Iterator[Finding]:
    """Find pools that together may open more connections than the server allows."""
    maximum, pool = report.connections.get("maximum"), settings.DB_POOL_MAX_SIZE
    workers = settings.WEB_WORKERS or usable_cores()
    # Each database is a server of its own, with one pool for each worker.
    if maximum and pool and workers * pool > maximum:
        yield Finding(
            "connections:pools",
            "warning",
            "The workers' pools together may open more connections than the server allows",
            {"workers": workers, "DB_POOL_MAX_SIZE": pool, "maximum": maximum},
            _sizes(settings.DB_POOL_MIN_SIZE, max(1, maximum // workers)),
        )


def too_small(report: DatabaseReport) -> Iterator[Finding]:
    """Find pools whose requests wait for a connection, or time out."""
    for alias, pools in _by_alias(report):
        requests, waited, errors = (_sum(pools, figure) for figure in ("requests", "queued", "errors"))
        many = requests >= _MIN_REQUESTS and waited >= _MAX_WAITING_SHARE * requests
        if many or (errors and _any_full(pools)):
            yield Finding(
                f"pool:small:{alias}",
                "warning",
                f"Requests wait for a connection to {alias}: the pool is too small",
                {
                    **_evidence(pools),
                    "waited": waited,
                    "waiting_now": _sum(pools, "waiting"),
                    "mean_wait_ms": round(_sum(pools, "wait_ms") / waited, 1) if waited else None,
                    "errors": errors,
                },
                _larger(report, pools),
            )


def too_large(report: DatabaseReport) -> Iterator[Finding]:
    """Find pools that never used most of their connections."""
    for alias, pools in _by_alias(report):
        evidence = _evidence(pools)
        most, maximum = evidence["most_used"], evidence["maximum"]
        if evidence["requests"] < _MIN_REQUESTS or most > (1 - _NEVER_USED_SHARE) * maximum:
            continue
        limit = report.connections.get("maximum")
        never_used = sum(max(0, pool["size"] - pool["most_used"]) for pool in pools)
        if never_used >= _MIN_NEVER_USED or (limit and len(pools) * maximum >= _CLAIMED_SHARE * limit):
            yield Finding(
                f"pool:large:{alias}",
                "info",
                f"The pool to {alias} never used most of its connections",
                {
                    **evidence,
                    "never_used_share": round(1 - most / maximum, 2),
                    "open_and_never_used": never_used,
                    "server_gives": limit,
                },
                f"DB_POOL_MIN_SIZE={min(evidence['minimum'], most)}\nDB_POOL_MAX_SIZE={max(1, 2 * most)}",
            )


def _by_alias(report: DatabaseReport) -> Iterator[tuple[str, Sequence[Figures]]]:
    used = [pool for pool in report.pools if pool["maximum"]]
    for alias in sorted({pool["alias"] for pool in used}):
        yield alias, [pool for pool in used if pool["alias"] == alias]


def _any_full(pools: Sequence[Figures]) -> bool:
    return any(pool["most_used"] >= pool["maximum"] for pool in pools)


def _sum(pools: Sequence[Figures], figure: str) -> int:
    return sum(pool[figure] for pool in pools)


def _evidence(pools: Sequence[Figures]) -> dict[str, Any]:
    most = {name: max(pool[name] for pool in pools) for name in ("minimum", "maximum", "most_used")}
    return {"processes": len(pools), **most, "requests": _sum(pools, "requests")}


def _sizes(minimum: int, maximum: int) -> str:
    """Return the settings of a new maximum, which the minimum must not exceed."""
    lower = f"DB_POOL_MIN_SIZE={maximum}\n" if minimum > maximum else ""
    return f"{lower}DB_POOL_MAX_SIZE={maximum}"


def _larger(report: DatabaseReport, pools: Sequence[Figures]) -> str:
    """Return the setting that helps: a larger pool, or more connections opened in advance."""
    evidence = _evidence(pools)
    if not _any_full(pools):
        return f"DB_POOL_MIN_SIZE={evidence['most_used']}"
    wanted, limit = 2 * evidence["maximum"], report.connections.get("maximum")
    if limit and wanted * len(pools) > limit:
        more = f"ALTER SYSTEM SET max_connections = {2 * wanted * len(pools)};"
        return f"{more}  -- restart the server, then DB_POOL_MAX_SIZE={wanted}"
    return f"DB_POOL_MAX_SIZE={wanted}"
