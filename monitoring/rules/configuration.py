"""Rules about settings that contradict each other."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS

from monitoring.findings import Finding

if TYPE_CHECKING:
    from monitoring.report import DatabaseReport


def debug(_: "DatabaseReport") -> Iterator[Finding]:
    """Find a public service that shows its insides."""
    public = [host for host in settings.ALLOWED_HOSTS if host not in settings.LOCAL_HOSTS]
    if settings.DEBUG and public:
        yield Finding(
            "settings:debug",
            "critical",
            "DEBUG shows code and settings to whoever makes an error happen, and others may ask",
            {"DEBUG": True, "ALLOWED_HOSTS": public},
            "DEBUG=off",
        )


def tokens(_: "DatabaseReport") -> Iterator[Finding]:
    """Find tokens that outlive those which should renew them."""
    if settings.JWT_ACCESS_MINUTES > settings.JWT_REFRESH_MINUTES:
        yield Finding(
            "settings:tokens",
            "warning",
            "Access tokens live longer than the refresh tokens that should outlive them",
            {
                "JWT_ACCESS_MINUTES": settings.JWT_ACCESS_MINUTES,
                "JWT_REFRESH_MINUTES": settings.JWT_REFRESH_MINUTES,
            },
            f"JWT_REFRESH_MINUTES={settings.JWT_ACCESS_MINUTES * 84}",
        )


def echo(_: "DatabaseReport") -> Iterator[Finding]:
    """Find a log that has every statement of a service in use."""
    if settings.SQL_ECHO and not settings.DEBUG:
        yield Finding(
            "settings:echo",
            "info",
            "Every SQL statement goes to the log of a service that is not debugged",
            {"SQL_ECHO": True, "DEBUG": False},
            "SQL_ECHO=off",
        )


def replicas(_: "DatabaseReport") -> Iterator[Finding]:
    """Find copies of a database that can have none."""
    if settings.DATABASE_REPLICAS and settings.DATABASES[DEFAULT_DB_ALIAS]["ENGINE"].endswith("sqlite3"):
        yield Finding(
            "settings:replicas",
            "critical",
            "Read-only copies are named of a database that is a file: they are copies of something else",
            {"engine": "sqlite", "replicas": len(settings.DATABASE_REPLICAS)},
            "DATABASE_REPLICA_URLS=",
        )


def https(_: "DatabaseReport") -> Iterator[Finding]:
    """Find cookies that travel without https to pages that are under it."""
    secure = [origin for origin in settings.CSRF_TRUSTED_ORIGINS if origin.startswith("https:")]
    if secure and not settings.HTTPS_ONLY:
        yield Finding(
            "settings:https",
            "warning",
            "The pages are trusted under https, but cookies may travel without it",
            {"HTTPS_ONLY": False, "CSRF_TRUSTED_ORIGINS": secure},
            "HTTPS_ONLY=on",
        )
