"""Registration of the console with Django."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """What the operators' pages keep for themselves."""

    name = "orchestrator.console"
    label = "console"
    verbose_name = "Console"
    default_auto_field = "django.db.models.BigAutoField"
