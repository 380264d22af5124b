"""Our own settings without what keeps the cache coherent at a commit: what the writes are compared with."""

from kyros.settings import *  # noqa: F403
from kyros.settings import DATABASES

DATABASES["default"]["ENGINE"] = DATABASES["default"]["ENGINE"].replace(
    "orchestrator.db", "django.db.backends"
)
