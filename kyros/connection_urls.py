"""Parses DATABASE_URL and REDIS_URL into Django's settings: pure functions for `kyros.settings`.

Each function raises `ValueError` for an invalid URL. The error's text does not contain the URL.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

import environ

DATABASE_URL_FORMS = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME"
REPLICA_URL_FORMS = "comma separated, each postgresql://USER:PASSWORD@HOST:PORT/NAME"
CACHE_URL_FORMS = (
    "redis://USER:PASSWORD@HOST:PORT/DB, rediss://…, unix:///SOCKET?db=DB, "
    "redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/SERVICE/DB, rediss+sentinel://…, or none"
)

# A cache that needs longer is slower than the database. A frozen server delays every request by this much
# until the circuit breaker opens.
CACHE_TIMEOUT_SECONDS = "0.1"
# Without them a network that drops packets goes unnoticed for minutes; when connecting for 130 seconds.
POSTGRESQL_TIMEOUTS = {
    "connect_timeout": 4,  # seconds; below the default of DB_POOL_TIMEOUT
    "tcp_user_timeout": 10_000,  # milliseconds
    "keepalives_idle": 10,  # seconds
    "keepalives_interval": 3,
    "keepalives_count": 3,
}
# Parameters of a URL that Django and psycopg read themselves.
NOT_OF_LIBPQ = {"assume_role", "isolation_level", "prepare_threshold", "server_side_binding"}
# The cost of a random page relative to a sequential one. The default of 4 is for spinning disks: with it the
# planner scans far along a list's order for rows that the filter's own index would find at once.
_PAGE_COST = "-c random_page_cost=1.1"
# On connections with this option the triggers send the stale cache tags as notices, which saves one query per
# COMMIT (orchestrator/db/postgresql).
_LISTENS = "-c kyros.notices=on"
POSTGRESQL_SETTINGS = f"{_PAGE_COST} {_LISTENS}"
# Query parameters of REDIS_URL. Others of the client library take an object, or change what its calls return.
CACHE_PARAMETERS = (
    r"db|client_name|max_connections|protocol|socket_timeout|socket_connect_timeout|socket_keepalive|ssl_\w+"
)
MAX_CACHE_TIMEOUT_SECONDS = 60
MAX_PORT = 65535
MAX_CACHE_DB = 15
SENTINEL_PORT = 26379

# How long a connection waits for the write lock. Writes take milliseconds; only a bulk load or a checkpoint
# holds the lock for longer.
SQLITE_BUSY_TIMEOUT_SECONDS = 10
# journal_mode: with WAL, readers and the one writer do not wait for each other.
# synchronous: with NORMAL, a commit survives a crash of the process without an fsync. A power cut may undo
# the last commits, but never corrupts the file.
# cache_size: 16 MiB per connection (default: 2 MB) hold the inner pages of every index of a ten million row
# table.
# mmap_size: the other pages are read from the operating system's page cache without a copy.
# temp_store: large sorts stay in memory, so they need no writable folder for temporary files.
# recursive_triggers: INSERT OR REPLACE then fires the delete triggers of the replaced row, which invalidate
# the cache and keep the counts exact.
SQLITE_PRAGMAS = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA cache_size = -16384;
    PRAGMA mmap_size = 268435456;
    PRAGMA temp_store = MEMORY;
    PRAGMA recursive_triggers = ON;
"""


def database_config(url: str, *, base: Path) -> dict[str, Any]:
    """Return the DATABASES entry for `url`; the path of a SQLite file is relative to the folder `base`."""
    if re.match(r"sqlite:", url):
        return sqlite_config(_sqlite_file(url, base))
    return postgresql_config(url)


def _sqlite_file(url: str, base: Path) -> Path:
    if not url.startswith("sqlite:///"):
        raise ValueError("a SQLite URL has three slashes, then the file")
    name: str = environ.Env.db_url_config(url)["NAME"]
    if name == ":memory:" or "\0" in name:
        # Every web worker and thread would get its own in-memory database.
        raise ValueError("the URL names no file")
    return (base / name).resolve()


def sqlite_config(file: Path) -> dict[str, Any]:
    """Return the DATABASES entry for the SQLite database in `file`."""
    return {
        "ENGINE": "orchestrator.db.sqlite3",
        "NAME": str(file),
        # Connections stay open as long as their thread: opening one costs more than serving a cached page.
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            # A transaction takes the write lock when it begins. A later upgrade from reading to writing can
            # fail at once, whatever the timeout.
            "transaction_mode": "IMMEDIATE",
            "timeout": SQLITE_BUSY_TIMEOUT_SECONDS,
            "init_command": SQLITE_PRAGMAS,
        },
        # A file, not Django's default of memory, so that tests meet the same locks as production.
        "TEST": {"NAME": str(file.with_name(f"test_{file.name}"))},
    }


def postgresql_config(url: str) -> dict[str, Any]:
    """Return the DATABASES entry for the PostgreSQL database at `url`, without a connection pool."""
    if not re.match(r"postgres(ql)?:", url):
        raise ValueError("the engine is neither SQLite nor PostgreSQL")
    config = environ.Env.db_url_config(url)
    if not config["NAME"] or "\0" in url:
        raise ValueError("the URL names no database")
    _validate_libpq_parameters(config.get("OPTIONS", {}))
    options = {
        "application_name": "kyros",
        "options": POSTGRESQL_SETTINGS,
        **POSTGRESQL_TIMEOUTS,
        **config.get("OPTIONS", {}),
    }
    return {
        **config,
        "ENGINE": "orchestrator.db.postgresql",
        # The pool keeps connections open; Django must not.
        "CONN_MAX_AGE": 0,
        # The engine checks a connection of the pool before use, without a query that could hang.
        "CONN_HEALTH_CHECKS": False,
        # Behind pgbouncer the next rows of a cursor may be requested from another connection to the server.
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": options,
    }


def _validate_libpq_parameters(parameters: dict[str, Any]) -> None:
    named = {name: value for name, value in parameters.items() if name not in NOT_OF_LIBPQ}
    if not named:
        return
    from psycopg import ProgrammingError  # noqa: PLC0415 - only PostgreSQL needs it
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415

    try:
        make_conninfo("", **named)
    except ProgrammingError as error:
        raise ValueError("libpq does not know a parameter of the query string") from error


def cache_url_from_parts(host: str, port: int, db: int, password: str | None) -> str:
    """Return the cache server's URL from `REDIS_HOST`, `REDIS_PORT`, `REDIS_DB` and `REDIS_PASSWORD`."""
    login = f":{quote(password, safe='')}@" if password else ""
    name = f"[{host}]" if ":" in host else host
    return cache_url(f"redis://{login}{name}:{port}/{db}")


def cache_url(url: str) -> str:
    """Return the cache server's `url` with the timeouts of every call added to its query string.

    The timeouts are part of the URL because django-redis keeps one connection pool per URL.
    """
    parts = urlsplit(url)
    group = sentinels(url)
    if not group:
        _validate_cache_url(parts)
    _validate_cache_parameters(group.server_url if group else url)
    query = dict(parse_qsl(parts.query))
    query.setdefault("socket_timeout", CACHE_TIMEOUT_SECONDS)
    query.setdefault("socket_connect_timeout", CACHE_TIMEOUT_SECONDS)
    # Not with urlunsplit, which removes two slashes of unix:///socket.
    return f"{url.partition('?')[0]}?{urlencode(query)}"


def broker_url(url: str) -> str:
    """Return the URL of Celery's broker on the cache server at `url`, which is a result of `cache_url`.

    It has no timeouts, because a worker may wait any time for its next task.
    """
    parts = urlsplit(url)
    if group := sentinels(url):
        server = urlsplit(group.server_url)
        login = f"{server.netloc.rpartition('@')[0]}@" if "@" in server.netloc else ""
        return ";".join(f"sentinel://{login}{host}:{port}{server.path}" for host, port in group.nodes)
    number = _cache_db(parts)
    if parts.scheme == "unix":
        return f"redis+socket://{parts.netloc}{parts.path}?virtual_host={number}"
    return f"{parts.scheme}://{parts.netloc}/{number}"


def broker_options(url: str) -> dict[str, Any]:
    """Return Celery's transport options for the cache server at `url`."""
    group = sentinels(url)
    if not group:
        return {}
    login = {"username": group.username, "password": group.password}
    return {
        "master_name": group.service,
        "sentinel_kwargs": login | (broker_tls(url) and {"ssl": True, **broker_tls(url)}),
    }


def broker_tls(url: str) -> dict[str, Any]:
    """Return Celery's TLS options for the cache server at `url`; empty without TLS."""
    parts = urlsplit(url)
    if not parts.scheme.startswith("rediss"):
        return {}
    options = {name: value for name, value in parse_qsl(parts.query) if name.startswith("ssl_")}
    return {"ssl_cert_reqs": "required", **options}


class Sentinels(NamedTuple):
    """The sentinels that know the primary of a group of cache servers.

    Args:
        nodes: host and port of each sentinel.
        service: the name by which they know the group.
        server_url: the URL of its servers, with the service's name as host.
        username, password: of the sentinels themselves.
    """

    nodes: tuple[tuple[str, int], ...]
    service: str
    server_url: str
    username: str | None
    password: str | None


def sentinels(url: str) -> Sentinels | None:
    """Return the parts of a URL of sentinels; None for one of a single server.

    It is like redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/SERVICE/DB, or rediss+sentinel://… with TLS.
    USER and PASSWORD are those of the cache servers. Those of the sentinels are `sentinel_username` and
    `sentinel_password` in the query string.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("redis+sentinel", "rediss+sentinel"):
        return None
    login, at, hosts = parts.netloc.rpartition("@")
    service, _, number = parts.path.strip("/").partition("/")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", service) or not re.fullmatch(r"[0-9]{0,4}", number):
        raise ValueError("the path is not SERVICE or SERVICE/DB")
    query = dict(parse_qsl(parts.query))
    username, password = query.pop("sentinel_username", None), query.pop("sentinel_password", None)
    scheme = parts.scheme.partition("+")[0]
    server_url = f"{scheme}://{login}{at}{service}/{number or 0}?{urlencode(query)}"
    return Sentinels(tuple(map(_node, hosts.split(","))), service, server_url, username, password)


def _node(text: str) -> tuple[str, int]:
    """Return host and port of a sentinel."""
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.port == 0:
        raise ValueError("a sentinel has no host, or port 0")
    return unquote(parts.hostname), parts.port or SENTINEL_PORT


def _cache_db(parts: SplitResult) -> str:
    """Return the number of the cache server's database, which is in the path or the query string."""
    number = parts.path.strip("/") if parts.scheme != "unix" else ""
    return number or dict(parse_qsl(parts.query)).get("db", "0")


def _validate_cache_url(parts: SplitResult) -> None:
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise ValueError("the scheme is none of redis, rediss, unix, redis+sentinel, rediss+sentinel")
    if parts.scheme == "unix" and not parts.path.startswith("/"):
        raise ValueError("the URL names no socket")
    if parts.scheme != "unix" and not parts.hostname:
        raise ValueError("the URL names no host")
    if parts.port == 0:  # .port itself raises ValueError above 65535
        raise ValueError("there is no port 0")
    if not re.fullmatch(r"[0-9]{1,4}", _cache_db(parts)):
        raise ValueError("the database is not a number")


def _validate_cache_parameters(url: str) -> None:
    query = dict(parse_qsl(urlsplit(url).query))
    if not all(re.fullmatch(CACHE_PARAMETERS, name) for name in query):
        raise ValueError("there is no such parameter of the query string")
    for name in ("socket_timeout", "socket_connect_timeout"):
        if not 0 < float(query.get(name, CACHE_TIMEOUT_SECONDS)) <= MAX_CACHE_TIMEOUT_SECONDS:
            raise ValueError("a time-out is not positive, or too long")
    if query:
        from orchestrator.cache import url_parameters  # noqa: PLC0415 - imports redis, which is slow

        url_parameters.validate(url)
