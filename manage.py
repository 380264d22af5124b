#!/usr/bin/env python3
"""The command line of the project: `python manage.py <command>`."""

import sys

from django.core.management import execute_from_command_line

from kyros.bootstrap import load_settings


def main() -> None:
    """Run the command that `sys.argv` names."""
    load_settings()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
