"""Settings for pytest runs inside tests: only the run's database, so that they start fast."""

import os
from pathlib import Path

from kyros import connection_urls

SECRET_KEY = os.environ["SECRET_KEY"]
WEB_THREADS = 4
DATABASES = {"default": connection_urls.database_config(os.environ["DATABASE_URL"], base=Path.cwd())}
DATABASE_REPLICAS: list[str] = []
