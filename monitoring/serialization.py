"""The JSON documents that endpoints and commands share."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from monitoring.cache_report import CacheHealth


def instant_text(moment: datetime) -> str:
    """Return a moment as ISO 8601 in UTC, with microseconds and ``Z``."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def now_text() -> str:
    """Return the present moment as text."""
    return instant_text(datetime.now(UTC))


def cache_document(health: CacheHealth) -> dict[str, Any]:
    """Return the document about a cache's health."""
    return {"cache_health": health.as_json(), "timestamp": now_text()}


def to_text(document: Mapping[str, Any]) -> str:
    """Return a document as the indented JSON that commands write."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
