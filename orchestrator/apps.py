"""Registration of the orchestrator with Django."""

import atexit

from django.apps import AppConfig


class OrchestratorConfig(AppConfig):
    """The domain application."""

    name = "orchestrator"
    verbose_name = "Orchestrator"

    def ready(self) -> None:
        """Connect the receivers, and hand the monitoring and the cache what they need to know."""
        # Imported here: what needs the settings can be imported once they are loaded.
        from monitoring import readiness  # noqa: PLC0415
        from orchestrator import checks, monitoring_config, signals  # noqa: F401, PLC0415
        from orchestrator.api import entry_shapes  # noqa: PLC0415
        from orchestrator.cache import client, fingerprint  # noqa: PLC0415
        from orchestrator.cache.health import reachable  # noqa: PLC0415

        readiness.register_cache(reachable)
        monitoring_config.register_with_monitoring()
        fingerprint.describe_entries_with(entry_shapes.cached_shapes)
        atexit.register(client.flush_counts)
