"""Registration of the orchestrator with Django."""

import atexit

from django.apps import AppConfig


class OrchestratorConfig(AppConfig):
    """The domain application."""

    name = "orchestrator"
    verbose_name = "Orchestrator"

    def ready(self) -> None:
        """Connect the signal receivers and register with the monitoring and the cache."""
        # Imported here because these modules need the models and the settings.
        from orchestrator import checks, monitoring_config, signals  # noqa: F401, PLC0415
        from orchestrator.api import entry_shapes  # noqa: PLC0415
        from orchestrator.cache import client, fingerprint  # noqa: PLC0415

        monitoring_config.register_with_monitoring()
        fingerprint.describe_entries_with(entry_shapes.cached_shapes)
        atexit.register(client.flush_counts)
