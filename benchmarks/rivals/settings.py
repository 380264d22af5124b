"""Settings of the alternatives: the service's database and options, Django's engine, no middleware."""

from kyros.settings import (
    CACHE_URL,
    DATA_UPLOAD_MAX_MEMORY_SIZE,  # noqa: F401 - for the web server, like the next ones
    DATABASES,
    HOST,  # noqa: F401
    KYROS_DATA_DIR,
    PORT,  # noqa: F401
    REQUEST_BODY_TIMEOUT,  # noqa: F401
    SECRET_KEY,  # noqa: F401
    STATIC_ROOT,  # noqa: F401
    WEB_THREADS,  # noqa: F401
    WEB_WORKERS,  # noqa: F401
)

DATABASES["default"]["ENGINE"] = DATABASES["default"]["ENGINE"].replace(
    "orchestrator.db", "django.db.backends"
)
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": (CACHE_URL or "").replace("db=0", "db=1"),
    }
}
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "rest_framework",
    "benchmarks.rivals",
]
AUTH_USER_MODEL = "rivals.User"
ROOT_URLCONF = "benchmarks.rivals.urls"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
#: The body that the empty views return: the service's response.
BODY_FILE = KYROS_DATA_DIR / "body.json"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "PAGE_SIZE": 100,
}
