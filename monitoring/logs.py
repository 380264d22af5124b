"""Log records with the id of their request, as text or as JSON."""

import logging
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import orjson

from monitoring import request_ids
from monitoring.formatting import iso_timestamp

#: Characters of a log line about a request that Django refuses.
MAX_REFUSAL_LENGTH: Final = 300

#: Attributes of every record. All others come from ``extra``.
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "request_id",
    "request",
    "taskName",
}


class RequestIdFilter(logging.Filter):
    """Adds the id of the current request to every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record."""
        record.request_id = request_ids.current.get()
        return True


class RefusalFilter(logging.Filter):
    """Makes one short warning of what Django logs about a request that it refuses.

    Django adds a traceback, which shows no fault of ours, and the client decides how long the message is.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record."""
        status = getattr(record, "status_code", HTTPStatus.INTERNAL_SERVER_ERROR)
        refused = record.name == "django.request" and status < HTTPStatus.INTERNAL_SERVER_ERROR
        if refused or record.name.startswith("django.security"):
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.msg, record.args = record.getMessage()[:MAX_REFUSAL_LENGTH], ()
            record.exc_info = None
        return True


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "request_id": getattr(record, "request_id", "-"),
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's
        """Return the record's timestamp in UTC."""
        return iso_timestamp(datetime.fromtimestamp(record.created, UTC))
