"""Settings with django-cacheops, which caches querysets and counts."""

from benchmarks.rivals.settings import *  # noqa: F403
from benchmarks.rivals.settings import CACHES, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "cacheops"]
CACHEOPS_REDIS = CACHES["default"]["LOCATION"].replace("db=1", "db=2")
CACHEOPS = {"rivals.*": {"ops": "all", "timeout": 60}}
