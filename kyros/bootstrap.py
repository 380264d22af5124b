"""The first step of every program of the project: load the settings."""

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def load_settings() -> None:
    """Load the settings; if one is invalid, exit with a one-line message.

    Without this step `manage.py help` would ignore invalid settings and a web server would print a traceback.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kyros.settings")
    try:
        settings.SECRET_KEY  # noqa: B018 - reading one setting loads them all
    except ImproperlyConfigured as error:
        sys.exit(f"kyros: {error}")
