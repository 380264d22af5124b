"""Settings with django-cacheops, which caches querysets and counts."""

from benchmarks.alternatives.settings import *  # noqa: F403
from benchmarks.alternatives.settings import CACHES, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "cacheops"]
CACHEOPS_REDIS = CACHES["default"]["LOCATION"].replace("db=1", "db=2")
CACHEOPS = {"alternatives.*": {"ops": "all", "timeout": 60}}
