#!/usr/bin/env python3
"""The command line of the project: `python manage.py <command>`."""

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def main() -> None:
    """Run the command that `sys.argv` names, or end with one line if a setting cannot be read."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kyros.settings")
    try:
        # Loaded before any command runs: Django itself would show `help` despite settings it cannot read.
        settings.configured or settings.SECRET_KEY  # noqa: B018
    except ImproperlyConfigured as error:
        sys.exit(f"manage.py: {error}")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
