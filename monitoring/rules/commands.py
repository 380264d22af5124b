"""Actions that name only what is there."""

from functools import cache

from django.core.management import get_commands


@cache
def has_command(name: str) -> bool:
    """Tell whether ``manage.py`` has a command."""
    return name in get_commands()
