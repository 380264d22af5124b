"""The JSON documents that the endpoints and the commands share."""

from collections.abc import Mapping
from typing import Any

import orjson

from monitoring.cache_report import CacheHealth
from monitoring.formatting import iso_now, iso_timestamp
from monitoring.report_data import DatabaseReport


def cache_document(health: CacheHealth) -> dict[str, Any]:
    """Return the document of ``/monitoring/cache/health``."""
    return {"cache_health": health.as_json(), "timestamp": iso_now()}


def performance_document(report: DatabaseReport) -> dict[str, Any]:
    """Return the document of ``/monitoring/performance/database``."""
    return {"database_performance": report.as_json(), "timestamp": iso_now()}


def to_json_text(document: Mapping[str, Any]) -> str:
    """Return a document as indented JSON."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_PASSTHROUGH_DATETIME
    return orjson.dumps(document, iso_timestamp, options).decode()
