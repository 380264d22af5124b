"""All settings, and the only place that reads the environment.

Every variable is described in `.env.example`. One that cannot be read stops any start with a line that names
it (see `kyros.environment`).
"""

import os
import secrets
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from kyros import __version__, addresses, keys
from kyros.environment import Environment

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment(BASE_DIR / ".env")

SECONDS_A_YEAR = 31_536_000
MINUTES_A_YEAR = 525_600
DAYS_A_CENTURY = 36_500

# --- Where it runs ------------------------------------------------------------------------------------------

DEBUG = env.boolean("DEBUG", default=False)
HOST = env.text("HOST", "127.0.0.1", pattern=r"[A-Za-z0-9.:_-]{1,253}", allowed="a host name or address")
PORT = env.integer("PORT", 8000, minimum=1, maximum=addresses.LARGEST_PORT)
KYROS_DATA_DIR = env.path("KYROS_DATA_DIR", BASE_DIR / "var", base=BASE_DIR)
WEB_WORKERS = env.integer("WEB_WORKERS", 0, minimum=1, maximum=256) or None  # None: one a core
KYROS_ADMIN_USERNAME = env.text(
    "KYROS_ADMIN_USERNAME",
    "admin",
    pattern=r"[\w.@+-]{1,150}",
    allowed="1 to 150 letters, digits and @ . + - _",
)
KYROS_ADMIN_PASSWORD = env.secret("KYROS_ADMIN_PASSWORD", minimum_bytes=1)  # None: `make run` makes one
DEMO_JOBS = env.integer("DEMO_JOBS", 2000, minimum=0, maximum=100_000_000, unit="jobs")

# --- Who may ask --------------------------------------------------------------------------------------------


def _minutes(name: str, default: int) -> int:
    """Return for how many minutes a token of the kind `name` is good."""
    return env.integer(name, default, minimum=1, maximum=MINUTES_A_YEAR, unit="minutes")


LOCAL_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
WILDCARD_HOSTS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to
ORIGIN = r"https?://[^/\s,]+"

ALLOWED_HOSTS = env.items(
    "ALLOWED_HOSTS",
    LOCAL_HOSTS if HOST in (*LOCAL_HOSTS, *WILDCARD_HOSTS) else [*LOCAL_HOSTS, HOST],
    pattern=r"[^/\s:]+|\[[0-9A-Fa-f:.]+\]",
    allowed="a host name without scheme or port",
)
_LOCAL_ORIGINS = [f"http://{host}:{PORT}" for host in LOCAL_HOSTS]
CSRF_TRUSTED_ORIGINS = env.items(
    "CSRF_TRUSTED_ORIGINS", _LOCAL_ORIGINS, pattern=ORIGIN, allowed="http(s)://HOST or http(s)://HOST:PORT"
)
CORS_ALLOWED_ORIGINS = env.items(
    "CORS_ALLOWED_ORIGINS", _LOCAL_ORIGINS, pattern=ORIGIN, allowed="http(s)://HOST or http(s)://HOST:PORT"
)
CORS_URLS_REGEX = r"^/(api|auth|monitoring)/"
CORS_EXPOSE_HEADERS = ["ETag", "Retry-After", "X-Cache", "X-Request-ID"]

# Behind a proxy that ends TLS. Off, so that http://localhost works.
HTTPS_ONLY = env.boolean("HTTPS_ONLY", default=False)
SECURE_SSL_REDIRECT = HTTPS_ONLY
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]  # asked by probes inside the network, over http
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS_ONLY else None
SECURE_HSTS_SECONDS = SECONDS_A_YEAR if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS_ONLY
SECURE_HSTS_PRELOAD = HTTPS_ONLY
SESSION_COOKIE_SECURE = HTTPS_ONLY
CSRF_COOKIE_SECURE = HTTPS_ONLY
X_FRAME_OPTIONS = "DENY"

JWT_ACCESS_MINUTES = _minutes("JWT_ACCESS_MINUTES", 120)
JWT_REFRESH_MINUTES = _minutes("JWT_REFRESH_MINUTES", 10_080)
METRICS_TOKEN = env.secret("METRICS_TOKEN", minimum_bytes=16)

AUTH_USER_MODEL = "orchestrator.User"
LOGIN_URL = "rest_framework:login"
LOGIN_REDIRECT_URL = "/api/v1/"
AUTHENTICATION_BACKENDS = ["orchestrator.permissions.RoleBackend"]
# scrypt needs 16 MiB a guess, which is what makes guessing on graphics cards dear, takes 0.14 s where PBKDF2
# takes 0.20 s, lets other threads run meanwhile, and is part of Python. The second reads imported accounts.
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
    """Return the PostgreSQL `database` with a pool of connections; any other as it is."""
    if database["ENGINE"].endswith("postgresql"):
        database["OPTIONS"]["pool"] = addresses.pool(
            min_size=DB_POOL_MIN_SIZE, max_size=DB_POOL_MAX_SIZE, timeout=DB_POOL_TIMEOUT
        )
    return database


def _replicas(urls: str) -> list[dict[str, Any]]:
    """Return the read-only copies of the default database that the comma-separated `urls` name."""
    return [
        # In tests a replica is the default database itself: its rows are not committed where a copy could be.
        {**_pooled(addresses.postgresql(url.strip())), "TEST": {"MIRROR": "default"}}
        for url in urls.split(",")
        if url.strip()
    ]


DATABASES: dict[str, dict[str, Any]] = {
    "default": env.parsed(
        "DATABASE_URL",
        lambda url: _pooled(addresses.database(url, base=BASE_DIR)),
        allowed=addresses.DATABASE_ADDRESSES,
    )
    or addresses.sqlite(KYROS_DATA_DIR / "kyros.sqlite3"),
}
for number, replica in enumerate(
    env.parsed("DATABASE_REPLICA_URLS", _replicas, allowed=addresses.REPLICA_ADDRESSES) or [], start=1
):
    DATABASES[f"replica{number}"] = replica
DATABASE_REPLICAS = [alias for alias in DATABASES if alias != "default"]

# Transactions are opened around writes only: with SQLite's IMMEDIATE mode every reading request would
# otherwise queue for the write lock.
ATOMIC_REQUESTS = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

EVENT_RETENTION_DAYS = env.integer("EVENT_RETENTION_DAYS", 90, minimum=1, maximum=DAYS_A_CENTURY, unit="days")
JOB_RETENTION_DAYS = env.integer("JOB_RETENTION_DAYS", 180, minimum=1, maximum=DAYS_A_CENTURY, unit="days")

# --- Cache --------------------------------------------------------------------------------------------------


def _ttl(family: str, default: int) -> int:
    """Return for how many seconds answers of `family` may be kept."""
    return env.integer(f"CACHE_TTL_{family}", default, minimum=1, maximum=SECONDS_A_YEAR, unit="seconds")


CACHE_TTL_JOB_COUNTS = _ttl("JOB_COUNTS", 300)
CACHE_TTL_JOB_LIST = _ttl("JOB_LIST", 60)
CACHE_TTL_USER_AUTH = _ttl("USER_AUTH", 900)
CACHE_TTL_EVENTS = _ttl("EVENTS", 30)
CACHE_TTL_TASK_LIST = _ttl("TASK_LIST", 60)
CACHE_TTL_USER_LIST = _ttl("USER_LIST", 60)
# What every key begins with: several installations may share one server.
CACHE_PREFIX = env.text(
    "CACHE_PREFIX", "kyros", pattern=r"[A-Za-z0-9_-]{1,32}", allowed="1 to 32 letters, digits, - and _"
)
# Whether the database's triggers tell the cache what changed; `migrate` switches them.
CACHE_TRIGGERS = env.boolean("CACHE_TRIGGERS", default=True)

_REDIS_HOST = env.text("REDIS_HOST", "", pattern=r"[A-Za-z0-9.:_-]{1,253}", allowed="a host name or address")
_REDIS_PORT = env.integer("REDIS_PORT", 6379, minimum=1, maximum=addresses.LARGEST_PORT)
_REDIS_DB = env.integer("REDIS_DB", 0, minimum=0, maximum=addresses.LARGEST_CACHE_DB)
_REDIS_PASSWORD = env.secret("REDIS_PASSWORD", minimum_bytes=1)
_REDIS_URL = env.parsed(
    "REDIS_URL",
    lambda url: "none" if url.lower() == "none" else addresses.cache(url),
    allowed=addresses.CACHE_ADDRESSES,
)

# Whether somebody chose a server, or chose none; if not, `make run` starts one.
CACHE_CHOSEN = bool(_REDIS_URL or _REDIS_HOST)
CACHE_ENABLED = _REDIS_URL != "none"
CACHE_URL: str | None = (
    (_REDIS_URL or addresses.cache_at(_REDIS_HOST or "localhost", _REDIS_PORT, _REDIS_DB, _REDIS_PASSWORD))
    if CACHE_ENABLED
    else None
)
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": CACHE_URL,
        "KEY_PREFIX": CACHE_PREFIX,
        "OPTIONS": {
            # Failures are handled in one place of ours, `orchestrator.cache`: an ignored one would look like
            # an invalidation that had nothing to do.
            "IGNORE_EXCEPTIONS": False,
            # Never pickle: whoever can write to the server would run code here.
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
        },
    }
    if CACHE_ENABLED
    else {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
    "throttle": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "throttle",
        # So many that an attacker cannot push out their own counters by trying other names.
        "OPTIONS": {"MAX_ENTRIES": 50_000},
    },
}

# --- Django -------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "orchestrator",  # before the admin and rest_framework: its templates come first
    "orchestrator.console.apps.ConsoleConfig",
    "monitoring",
    "kyros.apps.ConsoleConfig",  # django.contrib.admin
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    "monitoring.middleware.ObservabilityMiddleware",  # first: it measures the others
    "django.middleware.security.SecurityMiddleware",
    "kyros.middleware.chunked_bodies",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "orchestrator.console.policy.content_policy",
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
LANGUAGE_CODE = "en-us"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
# The largest legal body is a job with 64 KiB of metadata; anything above this is refused with 413 unread.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
LOG_FORMAT = env.choice("LOG_FORMAT", "LINE", choices=("LINE", "JSON"))
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s]: %(message)s"},
        "json": {"()": "monitoring.logs.JsonFormatter"},
    },
    "filters": {"request_id": {"()": "monitoring.logs.RequestIdFilter"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT.lower(),
            "filters": ["request_id"],
        }
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        # Django's own handlers would write each line a second time.
        "django": {"handlers": [], "propagate": True, "level": LOG_LEVEL},
        "django.server": {"handlers": [], "propagate": True, "level": LOG_LEVEL},
        # Its retries: the error that ends them says the same, once.
        "psycopg.pool": {"level": "ERROR"},
        # Django's own lines of SQL have the values in them, of which some are secrets.
        "django.db.backends": {"level": "INFO"},
        "monitoring.sql": {"level": "INFO" if SQL_ECHO else "WARNING"},
    },
}

# --- Monitoring ---------------------------------------------------------------------------------------------

SLOW_REQUEST_MS = env.integer("SLOW_REQUEST_MS", 500, minimum=1, maximum=3_600_000, unit="milliseconds")
# Where every process keeps its counts, so that any one of them can tell those of all.
METRICS_DIR = KYROS_DATA_DIR / "metrics"
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(METRICS_DIR)  # its client has no other setting for it

# --- Background work ----------------------------------------------------------------------------------------

# Tasks are started by the timetable alone and leave no result; what is late by more than its interval is
# dropped, so that a worker that was away does not catch up on what it missed.
CELERY_BROKER_URL = addresses.broker(CACHE_URL) if CACHE_URL else "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = {"global_keyprefix": f"{CACHE_PREFIX}:tasks:"}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a server that is away for long must not end the worker
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TIMEZONE = TIME_ZONE
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_BEAT_SCHEDULE_FILENAME = str(KYROS_DATA_DIR / "timetable")
CELERY_BEAT_SCHEDULE: dict[str, Any] = {
    task: {"task": task, "schedule": seconds, "options": {"expires": seconds}}
    for task, seconds in {
        "monitoring.tasks.snapshot_tables": 300.0,
        "orchestrator.tasks.fold_counts": 30.0,
        "orchestrator.tasks.roll_up_minutes": 30.0,
        "orchestrator.tasks.cache_audit": 300.0,
    }.items()
}

# --- API ----------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        # The first one gives a 401 its WWW-Authenticate.
        "orchestrator.authentication.BearerAuthentication",
        "orchestrator.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": [
        "orchestrator.renderers.JSONRenderer",
        "orchestrator.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_PARSER_CLASSES": [
        "orchestrator.parsers.JSONParser",
        "orchestrator.parsers.FormParser",  # what the browsable API's forms send
    ],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "orchestrator.exceptions.handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    # Moments stay moments until the renderer writes them, so that there is one way to write them.
    "DATETIME_FORMAT": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Kyros Praxis orchestrator",
    "DESCRIPTION": "Agents submit jobs, workers run them, operators watch them.",
    "VERSION": __version__,
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,  # what a client may send is less than what it gets
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "orchestrator.schema.describe_errors",
    ],
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    # The page's script and style are served from here: it works without a network.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- The secret key -----------------------------------------------------------------------------------------


def _secret_key() -> str:
    """Return the key of the environment, else the one `make run` keeps, else one to debug with."""
    if key := env.secret("SECRET_KEY", minimum_bytes=keys.MINIMUM_BYTES):
        return key
    try:
        return keys.kept(KYROS_DATA_DIR / "secret_key")
    except keys.MissingKeyError:
        if not DEBUG:
            raise
        return secrets.token_urlsafe(48)  # sessions and tokens end with this process


# Last: `make run` makes a key when this is all that is missing.
SECRET_KEY = _secret_key()

# Every variable that was read: what `.env.example` has to describe.
ENVIRONMENT_VARIABLES = frozenset(env.names)
