"""Settings of the baseline for writes: the service's, but with Django's own database engine."""

from kyros.settings import *  # noqa: F403
from kyros.settings import DATABASES

DATABASES["default"]["ENGINE"] = DATABASES["default"]["ENGINE"].replace(
    "orchestrator.db", "django.db.backends"
)
