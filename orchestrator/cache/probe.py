"""How the cache server is, for whoever watches the service."""

from monitoring.readiness import CacheState
from orchestrator.cache import server
from orchestrator.cache.server import CacheUnavailableError


def state() -> CacheState:
    """Return whether the cache server answers now; a frozen one costs the time-out of one call."""
    current = server.current()
    if not current.enabled:
        return "disabled"
    try:
        current.ask(lambda client: client.ping())
    except CacheUnavailableError:
        return "down"
    return "up"
