"""Rules about settings that contradict each other."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from django.conf import settings

from monitoring.findings import Finding

if TYPE_CHECKING:
    from monitoring.report import DatabaseReport


def contradictions(_: "DatabaseReport") -> Iterator[Finding]:
    """Find settings of which one makes the other pointless or dangerous."""
    public = [host for host in settings.ALLOWED_HOSTS if host not in settings.LOCAL_HOSTS]
    if settings.DEBUG and public:
        yield Finding(
            "settings:debug",
            "critical",
            "DEBUG shows code and settings to whoever makes an error happen, and others may ask",
            {"DEBUG": True, "ALLOWED_HOSTS": public},
            "DEBUG=off",
        )
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
    if settings.SQL_ECHO and not settings.DEBUG:
        yield Finding(
            "settings:echo",
            "info",
            "Every SQL statement goes to the log of a service that is not debugged",
            {"SQL_ECHO": True, "DEBUG": False},
            "SQL_ECHO=off",
        )
