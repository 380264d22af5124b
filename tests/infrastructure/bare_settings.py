"""Settings of the runs inside tests: the run's database and nothing else, so that they start fast."""

import os
from pathlib import Path

from kyros import connection_urls

SECRET_KEY = os.environ["SECRET_KEY"]
DATABASES = {"default": connection_urls.database_config(os.environ["DATABASE_URL"], base=Path.cwd())}
