"""Registration of the console with Django."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The app that holds the console's own tables."""

    name = "orchestrator.console"
    label = "console"
    verbose_name = "Console"
