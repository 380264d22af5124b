"""The first step of every program of the project: its settings, or one line about the bad one."""

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def load_settings() -> None:
    """Load the settings; end the program with one line if that fails.

    Without this step Django would show `manage.py help` despite them, and a web server a page of traceback.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kyros.settings")
    try:
        settings.SECRET_KEY  # noqa: B018 - the first look loads them all
    except ImproperlyConfigured as error:
        sys.exit(f"kyros: {error}")
