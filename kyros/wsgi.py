"""The WSGI application that web servers load: `kyros.wsgi:application`."""

from django.core.wsgi import get_wsgi_application

from kyros.bootstrap import load_settings
from kyros.request_size import limit_head

load_settings()
django = get_wsgi_application()

# Imported here because they need the apps to be loaded.
from monitoring.request_ids import RequestIds  # noqa: E402
from orchestrator.api.wsgi_cache import CachedResponseMiddleware  # noqa: E402
from orchestrator.db.database_breaker import bounded  # noqa: E402

application = bounded(RequestIds(limit_head(CachedResponseMiddleware(django))))
