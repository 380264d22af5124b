"""How Django knows this package."""

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    """The monitoring application."""

    name = "monitoring"
