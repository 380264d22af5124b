"""The JSON documents that the endpoints and the commands share."""

from typing import Any

from monitoring.cache_report import CacheHealth
from monitoring.formatting import iso_now
from monitoring.report_data import DatabaseReport


def cache_document(health: CacheHealth) -> dict[str, Any]:
    """Return the document of ``/monitoring/cache/health``."""
    return {"cache_health": health.as_json(), "timestamp": iso_now()}


def performance_document(report: DatabaseReport) -> dict[str, Any]:
    """Return the document of ``/monitoring/performance/database``."""
    return {"database_performance": report.as_json(), "timestamp": iso_now()}
