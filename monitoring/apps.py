"""The Django application."""

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    """The monitoring application."""

    name = "monitoring"
    verbose_name = "Monitoring"

    def ready(self) -> None:
        """Observe the statements of every new connection, and register the checks."""
        # Imported here: the settings must be loaded.
        from django.db.backends.signals import connection_created  # noqa: PLC0415

        from monitoring import checks, query_stats  # noqa: F401, PLC0415

        connection_created.connect(query_stats.observe_connection, dispatch_uid="monitoring.query_stats")
