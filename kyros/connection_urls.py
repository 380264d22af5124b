"""What a database's or a cache server's address means to Django: pure functions that `kyros.settings` calls.

Each raises `ValueError`, without the address in its text, for an address that cannot be used.
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import environ

DATABASE_URL_FORMS = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME"
REPLICA_URL_FORMS = "comma separated, each postgresql://USER:PASSWORD@HOST:PORT/NAME"
CACHE_URL_FORMS = "redis://:PASSWORD@HOST:PORT/DB, rediss://…, unix:///SOCKET?db=DB, or none"

# A cache that does not answer in this time is slower than the database; a frozen server costs every request
# this much until the circuit breaker opens.
CACHE_TIMEOUT_SECONDS = "0.1"
# A server whose packets get lost would otherwise be waited for 130 seconds.
POSTGRESQL_CONNECT_TIMEOUT_SECONDS = 10
# What a row somewhere else costs against the next one (4 by default, of the days of turning disks). With the
# default the planner reads a long way in a list's order, hoping for rows that the filter's own index finds
# at once.
_PAGE_COST = "-c random_page_cost=1.1"
# The triggers tell such a connection what its transactions make stale, which spares it asking at every COMMIT
# (orchestrator/db/postgresql).
_LISTENS = "-c kyros.listens=on"
POSTGRESQL_SETTINGS = f"{_PAGE_COST} {_LISTENS}"
MAX_PORT = 65535
MAX_CACHE_DB = 15

# How long a connection waits for another's write before it gives up. Writes take milliseconds; only a bulk
# load or a checkpoint holds the lock for longer.
SQLITE_BUSY_TIMEOUT_SECONDS = 10
# WAL: readers and the one writer do not wait for each other. NORMAL: a commit survives a crash of the process
# without an fsync each; only a power cut may take back the last commits, and never corrupts the file.
# cache_size: 16 MiB of pages a connection (2 MB by default) keeps the inner pages of every index of a ten
# million row table in memory. mmap_size: the rest is read from the page cache without a copy.
# temp_store: a sort that spills stays in memory, which spares a file in a folder that may not be writable.
# recursive_triggers: a row that INSERT OR REPLACE replaces fires the triggers of its deletion, by which the
# cache hears of it and the rows are counted.
SQLITE_PRAGMAS = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA cache_size = -16384;
    PRAGMA mmap_size = 268435456;
    PRAGMA temp_store = MEMORY;
    PRAGMA recursive_triggers = ON;
"""


def database_config(url: str, *, base: Path) -> dict[str, Any]:
    """Return Django's description of the database at `url`; a relative file starts at the folder `base`."""
    if re.match(r"sqlite:", url):
        return sqlite_config(_sqlite_file(url, base))
    return postgresql_config(url)


def _sqlite_file(url: str, base: Path) -> Path:
    if not url.startswith("sqlite:///"):
        raise ValueError("a SQLite address has three slashes, then the file")
    name: str = environ.Env.db_url_config(url)["NAME"]
    if name == ":memory:" or "\0" in name:
        # In memory, every web worker and thread would have a database of its own.
        raise ValueError("the address names no file")
    return (base / name).resolve()


def sqlite_config(file: Path) -> dict[str, Any]:
    """Return Django's description of the SQLite database in `file`."""
    return {
        "ENGINE": "orchestrator.db.sqlite3",
        "NAME": str(file),
        # Connections are kept for the life of their thread: opening one costs more than a cached page.
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            # A transaction takes the write lock at its start, so that none fails half way at the upgrade
            # from reading to writing, which no timeout can wait for.
            "transaction_mode": "IMMEDIATE",
            "timeout": SQLITE_BUSY_TIMEOUT_SECONDS,
            "init_command": SQLITE_PRAGMAS,
        },
        # A file, not Django's default of memory: what is tested has the same locks as what runs.
        "TEST": {"NAME": str(file.with_name(f"test_{file.name}"))},
    }


def postgresql_config(url: str) -> dict[str, Any]:
    """Return Django's description of the PostgreSQL database at `url`, without a connection pool."""
    if not re.match(r"postgres(ql)?:", url):
        raise ValueError("the engine is neither SQLite nor PostgreSQL")
    config = environ.Env.db_url_config(url)
    if not config["NAME"] or "\0" in url:
        raise ValueError("the address names no database")
    options = {
        "application_name": "kyros",
        "options": POSTGRESQL_SETTINGS,
        "connect_timeout": POSTGRESQL_CONNECT_TIMEOUT_SECONDS,
        **config.get("OPTIONS", {}),
    }
    return {
        **config,
        "ENGINE": "orchestrator.db.postgresql",
        # The pool keeps connections; Django must not keep them as well.
        "CONN_MAX_AGE": 0,
        # A connection is tried before it is lent, so that a restart of the server costs no request.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }


def pool_config(*, min_size: int, max_size: int, timeout: int) -> dict[str, Any] | bool:
    """Return psycopg's pool of `min_size` to `max_size` connections, or False for 0.

    A thread waits `timeout` seconds for a connection before its request fails.
    """
    if max_size == 0:
        return False
    return {"min_size": min_size, "max_size": max_size, "timeout": timeout}


def cache_url_from_parts(host: str, port: int, db: int, password: str | None) -> str:
    """Return the address of the cache server that `REDIS_HOST` and its companions describe."""
    login = f":{quote(password, safe='')}@" if password else ""
    name = f"[{host}]" if ":" in host else host
    return cache_url(f"redis://{login}{name}:{port}/{db}")


def cache_url(url: str) -> str:
    """Return the cache server's address `url`, completed by the timeouts of every call to it.

    The timeouts are part of the address because django-redis knows its connection pools by the address alone.
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    _refuse_wrong_cache(parts.scheme, parts.hostname, parts.path, query)
    if parts.scheme != "unix" and parts.port == 0:  # reading .port raises ValueError above the largest
        raise ValueError("there is no port 0")
    query.setdefault("socket_timeout", CACHE_TIMEOUT_SECONDS)
    query.setdefault("socket_connect_timeout", CACHE_TIMEOUT_SECONDS)
    # Not by urlunsplit, which takes away two slashes of unix:///socket.
    return f"{url.partition('?')[0]}?{urlencode(query)}"


def broker_url(url: str) -> str:
    """Return the address of Celery's broker on the cache server at `url`, an address that `cache` has made.

    Its timeouts are left out: a worker waits for its next task for as long as that takes.
    """
    parts = urlsplit(url)
    number = parts.path.strip("/") if parts.scheme != "unix" else ""
    number = number or dict(parse_qsl(parts.query)).get("db", "0")
    if parts.scheme == "unix":
        return f"redis+socket://{parts.netloc}{parts.path}?virtual_host={number}"
    return f"{parts.scheme}://{parts.netloc}/{number}"


def _refuse_wrong_cache(scheme: str, hostname: str | None, path: str, query: dict[str, str]) -> None:
    if scheme not in ("redis", "rediss", "unix"):
        raise ValueError("the scheme is none of redis, rediss, unix")
    if scheme == "unix" and not path.startswith("/"):
        raise ValueError("the address names no socket")
    if scheme != "unix" and not hostname:
        raise ValueError("the address names no host")
    number = query.get("db", "0") if scheme == "unix" else path.strip("/") or query.get("db", "0")
    if not re.fullmatch(r"[0-9]{1,4}", number):
        raise ValueError("the database is not a number")
