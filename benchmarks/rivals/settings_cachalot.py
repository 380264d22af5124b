"""Settings with django-cachalot, which caches the rows of every query."""

from benchmarks.rivals.settings import *  # noqa: F403
from benchmarks.rivals.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "cachalot"]
CACHALOT_TIMEOUT = 60
