"""How the cache server is, for whoever watches the service."""

from django.conf import settings
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from monitoring.health import CacheState


def state() -> CacheState:
    """Return whether the cache server answers now; a frozen one costs the timeout of `settings.CACHE_URL`."""
    if not settings.CACHE_ENABLED:
        return "disabled"
    try:
        get_redis_connection("default").ping()
    except RedisError:
        return "down"
    return "up"
