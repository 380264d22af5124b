"""All settings. No other module reads the environment.

`.env.example` describes every variable. An invalid value stops every program with a one-line message (see
`kyros.env`).
"""

import os
import secrets
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from corsheaders.defaults import default_headers
from django.core.exceptions import ImproperlyConfigured

from kyros import __version__, connection_urls, embedded_cache, secret_key
from kyros.beat_table import ScheduledTask
from kyros.env import Environment

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment(BASE_DIR / ".env")

MAX_SECONDS = 31_536_000  # a year
MAX_MINUTES = 525_600  # a year
MAX_DAYS = 36_500  # a century
HOST_PATTERN = r"[A-Za-z0-9.:_-]{1,253}"

# --- Process and network ------------------------------------------------------------------------------------

DEBUG = env.boolean("DEBUG", default=False)
HOST = env.text("HOST", "127.0.0.1", pattern=HOST_PATTERN, allowed="a host name or IP address")
PORT = env.integer("PORT", 8000, minimum=1, maximum=connection_urls.MAX_PORT)
# After the web server's; the last port has none after it.
STREAM_PORT = env.integer(
    "STREAM_PORT",
    PORT + 1 if PORT < connection_urls.MAX_PORT else PORT - 1,
    minimum=1,
    maximum=connection_urls.MAX_PORT,
)
if STREAM_PORT == PORT:
    raise ImproperlyConfigured(f"STREAM_PORT='{STREAM_PORT}' cannot be used; allowed: another port than PORT")
KYROS_DATA_DIR = env.path("KYROS_DATA_DIR", BASE_DIR / "var", base=BASE_DIR)
WEB_WORKERS = env.integer("WEB_WORKERS", 0, minimum=1, maximum=256) or None  # None: one per core
WEB_THREADS = 4  # of each web worker, for requests without a body; as many again for those with one
KYROS_ADMIN_USERNAME = env.text(
    "KYROS_ADMIN_USERNAME",
    "admin",
    pattern=r"[A-Za-z0-9@.+_-]{1,150}",
    allowed="1 to 150 of A-Z, a-z, 0-9, @ . + - and _",
)
KYROS_ADMIN_PASSWORD = env.secret("KYROS_ADMIN_PASSWORD", minimum_bytes=1)  # None: `make run` creates one
DEMO_JOBS = env.integer("DEMO_JOBS", 2000, minimum=0, maximum=100_000_000, unit="jobs")
DEMO_WORKERS = env.integer("DEMO_WORKERS", 2, minimum=0, maximum=64, unit="workers")

# --- Access -------------------------------------------------------------------------------------------------


def _minutes(name: str, default: int) -> int:
    """Return the lifetime of a kind of token, in minutes, from the variable `name`."""
    return env.integer(name, default, minimum=1, maximum=MAX_MINUTES, unit="minutes")


LOCAL_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
WILDCARD_HOSTS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to
IPV6 = 6
ORIGIN = r"https?://[^/\s,]+"


def _with_host(allowed: list[str]) -> list[str]:
    """Return the `allowed` hosts and HOST, as clients send it: an IPv6 address in brackets."""
    try:
        address = ip_address(HOST)
    except ValueError:
        name = HOST
    else:
        name = f"[{address}]" if address.version == IPV6 else str(address)
    return allowed if HOST in WILDCARD_HOSTS or name in allowed else [*allowed, name]


ALLOWED_HOSTS = _with_host(
    env.comma_separated(
        "ALLOWED_HOSTS",
        LOCAL_HOSTS,
        pattern=r"[^/\s:]+|\[[0-9A-Fa-f:.]+\]",
        allowed="a host name without scheme or port",
    )
)
_LOCAL_ORIGINS = [f"http://{host}:{PORT}" for host in LOCAL_HOSTS]
CSRF_TRUSTED_ORIGINS = env.comma_separated(
    "CSRF_TRUSTED_ORIGINS", _LOCAL_ORIGINS, pattern=ORIGIN, allowed="http(s)://HOST or http(s)://HOST:PORT"
)
CORS_ALLOWED_ORIGINS = env.comma_separated(
    "CORS_ALLOWED_ORIGINS", _LOCAL_ORIGINS, pattern=ORIGIN, allowed="http(s)://HOST or http(s)://HOST:PORT"
)
CORS_URLS_REGEX = r"^/(api|auth|monitoring)/"
CORS_ALLOW_HEADERS = [*default_headers, "if-match", "if-none-match", "idempotency-key", "last-event-id"]
CORS_EXPOSE_HEADERS = ["ETag", "Location", "Retry-After", "X-Cache", "X-Request-ID"]

# The networks of the proxies whose X-Forwarded-For is believed.
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES")
# Behind a proxy that ends TLS. Off, so that http://localhost works.
HTTPS_ONLY = env.boolean("HTTPS_ONLY", default=False)
SECURE_SSL_REDIRECT = HTTPS_ONLY
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]  # probes inside the network use http
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS_ONLY else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS_ONLY else 0  # a year
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS_ONLY
SECURE_HSTS_PRELOAD = HTTPS_ONLY
SESSION_COOKIE_SECURE = HTTPS_ONLY
CSRF_COOKIE_SECURE = HTTPS_ONLY
X_FRAME_OPTIONS = "DENY"

JWT_ACCESS_MINUTES = _minutes("JWT_ACCESS_MINUTES", 120)
JWT_REFRESH_MINUTES = _minutes("JWT_REFRESH_MINUTES", 10_080)
METRICS_TOKEN = env.secret("METRICS_TOKEN", minimum_bytes=1)

#: The version of the package: entries of the cache that another version wrote are not read.
VERSION = __version__

AUTH_USER_MODEL = "orchestrator.User"
LOGIN_URL = "rest_framework:login"
LOGIN_REDIRECT_URL = "/api/v1/"
AUTHENTICATION_BACKENDS = ["orchestrator.auth.permissions.RoleBackend"]
# scrypt needs 16 MiB per guess, which makes attacks with graphics cards expensive. It takes 0.14 s (PBKDF2:
# 0.20 s), releases the GIL and is part of Python. The second hasher verifies imported accounts.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# --- Databases ----------------------------------------------------------------------------------------------

DB_POOL_MIN_SIZE = env.integer("DB_POOL_MIN_SIZE", 2, minimum=0, maximum=1000, unit="connections")
DB_POOL_MAX_SIZE = env.integer("DB_POOL_MAX_SIZE", 10, minimum=0, maximum=1000, unit="connections")
DB_POOL_TIMEOUT = env.integer("DB_POOL_TIMEOUT", 5, minimum=1, maximum=3600, unit="seconds")
if DB_POOL_MAX_SIZE and DB_POOL_MIN_SIZE > DB_POOL_MAX_SIZE:
    raise ImproperlyConfigured(
        f"DB_POOL_MIN_SIZE='{DB_POOL_MIN_SIZE}' cannot be used; "
        f"allowed: at most DB_POOL_MAX_SIZE, which is {DB_POOL_MAX_SIZE}"
    )
SQL_ECHO = env.boolean("SQL_ECHO", default=False)


def _pooled(database: dict[str, Any]) -> dict[str, Any]:
    """Add the connection pool to the PostgreSQL `database`; return other databases unchanged."""
    if database["ENGINE"].endswith("postgresql"):
        pool = {
            "min_size": DB_POOL_MIN_SIZE,
            "max_size": DB_POOL_MAX_SIZE,
            "timeout": DB_POOL_TIMEOUT,
            # Requests for a connection start further attempts, so none needs to go on for minutes.
            "reconnect_timeout": 2,
        }
        database["OPTIONS"]["pool"] = pool if DB_POOL_MAX_SIZE else False
    return database


def _replicas(urls: str) -> list[dict[str, Any]]:
    """Return the DATABASES entries of the read replicas in the comma-separated `urls`."""
    return [
        # In tests a replica is the default database itself: rows of uncommitted tests never reach a replica.
        {**_pooled(connection_urls.postgresql_config(url.strip())), "TEST": {"MIRROR": "default"}}
        for url in urls.split(",")
        if url.strip()
    ]


# Without ATOMIC_REQUESTS: only writes run in transactions. With SQLite's IMMEDIATE mode every reading request
# would otherwise wait for the write lock.
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.url(
        "DATABASE_URL",
        lambda url: _pooled(connection_urls.database_config(url, base=BASE_DIR)),
        allowed=connection_urls.DATABASE_URL_FORMS,
    )
    or connection_urls.sqlite_config(KYROS_DATA_DIR / "kyros.sqlite3"),
}
for number, replica in enumerate(
    env.url("DATABASE_REPLICA_URLS", _replicas, allowed=connection_urls.REPLICA_URL_FORMS) or [], start=1
):
    DATABASES[f"replica{number}"] = replica
DATABASE_REPLICAS = [alias for alias in DATABASES if alias != "default"]
DATABASE_ROUTERS = ["orchestrator.db.replicas.router.ReplicaRouter"]

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

PARTITION_EVENTS_BY = env.choice("PARTITION_EVENTS_BY", "month", choices=("day", "week", "month"))
EVENT_RETENTION_DAYS = env.integer("EVENT_RETENTION_DAYS", 90, minimum=1, maximum=MAX_DAYS, unit="days")
JOB_RETENTION_DAYS = env.integer("JOB_RETENTION_DAYS", 180, minimum=1, maximum=MAX_DAYS, unit="days")
ARCHIVE_DIR = env.path("ARCHIVE_DIR", KYROS_DATA_DIR / "archive", base=BASE_DIR)

# --- Cache --------------------------------------------------------------------------------------------------


def _ttl(family: str, default: int) -> int:
    """Return the TTL in seconds of the cached responses of `family`."""
    return env.integer(f"CACHE_TTL_{family}", default, minimum=1, maximum=MAX_SECONDS, unit="seconds")


CACHE_TTL_JOB_COUNTS = _ttl("JOB_COUNTS", 300)
CACHE_TTL_JOB_LIST = _ttl("JOB_LIST", 60)
CACHE_TTL_USER_AUTH = _ttl("USER_AUTH", 900)
CACHE_TTL_EVENTS = _ttl("EVENTS", 30)
CACHE_TTL_TASK_LIST = _ttl("TASK_LIST", 60)
CACHE_TTL_USER_LIST = _ttl("USER_LIST", 60)
CACHE_TTL_CONSOLE = _ttl("CONSOLE", 5)
# The prefix of every key, so that several installations can share one server.
CACHE_PREFIX = env.text(
    "CACHE_PREFIX", "kyros", pattern=r"[A-Za-z0-9_-]{1,32}", allowed="1 to 32 letters, digits, - and _"
)

_REDIS_HOST = env.text("REDIS_HOST", "", pattern=HOST_PATTERN, allowed="a host name or IP address")
_REDIS_PORT = env.integer("REDIS_PORT", 6379, minimum=1, maximum=connection_urls.MAX_PORT)
_REDIS_DB = env.integer("REDIS_DB", 0, minimum=0, maximum=connection_urls.MAX_CACHE_DB)
_REDIS_PASSWORD = env.secret("REDIS_PASSWORD", minimum_bytes=1)
_REDIS_URL = env.url(
    "REDIS_URL",
    lambda url: "none" if url.lower() == "none" else connection_urls.cache_url(url),
    allowed=connection_urls.CACHE_URL_FORMS,
)

# Whether the settings name a cache server or turn the cache off; if not, `make run` starts a server.
CACHE_CONFIGURED = bool(_REDIS_URL or _REDIS_HOST)
CACHE_ENABLED = _REDIS_URL != "none"


def _cache_url() -> str | None:
    """Return the URL that the settings name, or that of the embedded server, or the default."""
    if not CACHE_ENABLED:
        return None
    if not CACHE_CONFIGURED and (embedded := embedded_cache.published_url(KYROS_DATA_DIR)):
        return connection_urls.cache_url(embedded)
    host = _REDIS_HOST or "localhost"
    return _REDIS_URL or connection_urls.cache_url_from_parts(host, _REDIS_PORT, _REDIS_DB, _REDIS_PASSWORD)


CACHE_URL = _cache_url()
CACHE_SENTINELS = connection_urls.sentinels(CACHE_URL) if CACHE_URL else None
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": CACHE_URL,
        "KEY_PREFIX": CACHE_PREFIX,
        "OPTIONS": {
            # Only `orchestrator.cache` handles failures: a failed invalidation that is ignored looks like one
            # that had nothing to do.
            "IGNORE_EXCEPTIONS": False,
            # Never pickle: anyone who can write to the server could run code here.
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
        },
    }
    if CACHE_ENABLED and not CACHE_SENTINELS  # the client of sentinels is not made by Django
    else {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
}

# --- Django -------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "orchestrator",
    "orchestrator.console.apps.ConsoleConfig",
    "monitoring",
    "kyros.apps.OperatorAdminConfig",  # django.contrib.admin
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    "monitoring.middleware.ObservabilityMiddleware",  # first, because it measures the others
    "kyros.csp.content_security_policy",
    "kyros.middleware.wait_at_barrier",
    "django.middleware.security.SecurityMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "kyros.middleware.refuse_unread_body",
    "kyros.middleware.BrowserSessionMiddleware",
    "kyros.middleware.HostCheckMiddleware",  # Django's CommonMiddleware
    "django.middleware.csrf.CsrfViewMiddleware",
    "kyros.middleware.BrowserUserMiddleware",
    "kyros.middleware.BrowserMessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
ROOT_URLCONF = "kyros.urls"
WSGI_APPLICATION = "kyros.wsgi.application"
STATIC_URL = "/static/"
STATIC_ROOT = KYROS_DATA_DIR / "static"
FILE_UPLOAD_PERMISSIONS = None  # those of the umask, so that `make run` keeps its static files private, too
USE_I18N = False
TIME_ZONE = "UTC"
# The web server reads bodies. A larger one is refused with 413, one that takes longer with 408.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
REQUEST_BODY_TIMEOUT = env.integer("REQUEST_BODY_TIMEOUT", 10, minimum=1, maximum=3600, unit="seconds")

LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
LOG_FORMAT = env.choice("LOG_FORMAT", "LINE", choices=("LINE", "JSON"))
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s]: %(message)s"},
        "json": {"()": "monitoring.logs.JsonFormatter"},
    },
    "filters": {
        "request_id": {"()": "monitoring.logs.RequestIdFilter"},
        "refusals": {"()": "monitoring.logs.RefusalFilter"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT.lower(),
            "filters": ["request_id", "refusals"],
        }
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        # Django's own handlers would log each line a second time.
        "django": {"handlers": [], "propagate": True, "level": LOG_LEVEL},
        "django.server": {"handlers": [], "propagate": True, "level": LOG_LEVEL},
        # Not its retries: the error after the last one says the same, once.
        "psycopg.pool": {"level": "ERROR"},
        # Django's own SQL log shows parameter values, and some are secrets.
        "django.db.backends": {"level": "INFO"},
        "_granian": {"level": "WARNING"},
        "monitoring.sql": {"level": "INFO" if SQL_ECHO else "WARNING"},
    },
}

# --- Monitoring ---------------------------------------------------------------------------------------------

SLOW_REQUEST_MS = env.integer("SLOW_REQUEST_MS", 500, minimum=1, maximum=3_600_000, unit="milliseconds")
# Every process publishes its metrics here, so that each of them can report the sums.
METRICS_DIR = KYROS_DATA_DIR / "metrics"
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(METRICS_DIR)  # prometheus_client has no other setting for it

# --- Background work ----------------------------------------------------------------------------------------

# Only the schedule starts tasks, and tasks store no result.
CELERY_BROKER_URL = connection_urls.broker_url(CACHE_URL) if CACHE_URL else "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": f"{CACHE_PREFIX}:tasks:",
    **(connection_urls.broker_options(CACHE_URL) if CACHE_URL else {}),
}
CELERY_BROKER_USE_SSL = connection_urls.broker_tls(CACHE_URL or "") or None
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # the worker keeps trying while the server is away
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TIMEZONE = TIME_ZONE
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
# In memory: the schedule in a file ends when the disk is full. After a restart each task waits its interval,
# or for its minute.
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"
# The beat table is made from it (kyros/celery.py). Each is also a command, with a line for cron in
# docs/operations.md.
BACKGROUND_TASKS = (
    ScheduledTask(path="orchestrator.tasks.requeue_expired", every=5, max_seconds=10),
    ScheduledTask(path="orchestrator.tasks.run_bulk_changes", every=3, max_seconds=60),
    ScheduledTask(path="orchestrator.tasks.fold_counts", every=30, max_seconds=60),
    ScheduledTask(path="orchestrator.tasks.roll_up_minutes", every=30, max_seconds=60),
    ScheduledTask(path="monitoring.tasks.snapshot_tables", every=300, max_seconds=120),
    ScheduledTask(
        path="orchestrator.tasks.cache_audit", every=300, max_seconds=120, arguments="--sample 200"
    ),
    ScheduledTask(path="orchestrator.tasks.prune_idempotency_keys", every=3600, max_seconds=300, minute=7),
    ScheduledTask(path="orchestrator.tasks.archive", every=3600, max_seconds=600, minute=23),
    ScheduledTask(
        path="orchestrator.tasks.partition_events", every=86400, max_seconds=300, hour=3, minute=37
    ),
)

# --- API ----------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        # The first class sets the WWW-Authenticate header of a 401.
        "orchestrator.auth.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": [
        "orchestrator.api.renderers.JSONRenderer",
        "orchestrator.api.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_PARSER_CLASSES": ["orchestrator.api.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "orchestrator.api.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "orchestrator.api.exception_handler.handle_exception",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    # Datetimes stay datetimes until the renderer formats them, so that there is one format.
    "DATETIME_FORMAT": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Kyros Praxis orchestrator",
    "DESCRIPTION": "Agents submit jobs, workers run them, operators watch them.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,  # clients may send fewer fields than they receive
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    # The page's script and style are served locally, so the page works without internet access.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- The secret key -----------------------------------------------------------------------------------------


def _secret_key() -> str:
    """Return the key of the environment, or the one that `make run` created, or a temporary one for DEBUG."""
    if key := env.secret("SECRET_KEY", minimum_bytes=secret_key.MIN_BYTES):
        return key
    try:
        return secret_key.read(KYROS_DATA_DIR / "secret_key")
    except secret_key.MissingKeyError:
        if not DEBUG:
            raise
        return secrets.token_urlsafe(48)  # sessions and tokens are valid as long as this process


# After all others, because `make run` creates a key if only the key is missing.
SECRET_KEY = _secret_key()

# Only once nothing above has failed, because `make run` loads the settings again if the key is missing.
env.erase("KYROS_ADMIN_PASSWORD")

# Every variable that was read; `.env.example` must describe each.
ENVIRONMENT_VARIABLES = frozenset(env.names)
