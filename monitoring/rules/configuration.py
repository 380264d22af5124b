"""Rules about settings that contradict each other."""

from collections.abc import Iterator

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS

from monitoring import registry
from monitoring.findings import Finding
from monitoring.report_data import DatabaseReport


def debug(_: DatabaseReport) -> Iterator[Finding]:
    """Find a public service that runs with DEBUG."""
    local = registry.monitored_app().local_hosts
    public = [host for host in settings.ALLOWED_HOSTS if host not in local]
    if settings.DEBUG and public:
        yield Finding(
            "settings:debug",
            "critical",
            "DEBUG shows code and settings on every error page, and the service is public",
            {"DEBUG": True, "ALLOWED_HOSTS": public},
            "DEBUG=off",
        )


def echo(_: DatabaseReport) -> Iterator[Finding]:
    """Find a production log that contains every SQL statement."""
    if settings.SQL_ECHO and not settings.DEBUG:
        yield Finding(
            "settings:echo",
            "info",
            "Every SQL statement is logged although DEBUG is off",
            {"SQL_ECHO": True, "DEBUG": False},
            "SQL_ECHO=off",
        )


def replicas(_: DatabaseReport) -> Iterator[Finding]:
    """Find replicas of a SQLite database, which can have none."""
    if settings.DATABASE_REPLICAS and settings.DATABASES[DEFAULT_DB_ALIAS]["ENGINE"].endswith("sqlite3"):
        yield Finding(
            "settings:replicas",
            "critical",
            "DATABASE_REPLICA_URLS is set, but SQLite has no replicas: reads go to another database",
            {"engine": "sqlite", "replicas": len(settings.DATABASE_REPLICAS)},
            "DATABASE_REPLICA_URLS=",
        )


def https(_: DatabaseReport) -> Iterator[Finding]:
    """Find pages served under HTTPS whose cookies may be sent without it."""
    secure = [origin for origin in settings.CSRF_TRUSTED_ORIGINS if origin.startswith("https:")]
    if secure and not settings.HTTPS_ONLY:
        yield Finding(
            "settings:https",
            "warning",
            "The pages are served under HTTPS, but cookies may be sent without it",
            {"HTTPS_ONLY": False, "CSRF_TRUSTED_ORIGINS": secure},
            "HTTPS_ONLY=on",
        )
