#!/usr/bin/env python3
"""The command line of the project: `python manage.py <command>`."""

import sys

from django.core.management import execute_from_command_line

from kyros.bootstrap import load_settings
from kyros.command_output import guard_output


def main() -> None:
    """Run the command that `sys.argv` names."""
    guard_output()
    load_settings()
    try:
        execute_from_command_line(sys.argv)
    finally:
        sys.stdout.flush()


if __name__ == "__main__":
    main()
