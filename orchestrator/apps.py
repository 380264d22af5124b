"""Registration of the orchestrator with Django."""

from django.apps import AppConfig


class OrchestratorConfig(AppConfig):
    """The domain application."""

    name = "orchestrator"
    verbose_name = "Orchestrator"

    def ready(self) -> None:
        """Connect the receivers, and hand the monitoring what it watches here."""
        # Imported here: what needs the settings can be imported once they are loaded.
        from monitoring import health  # noqa: PLC0415
        from orchestrator import checks, signals, watched  # noqa: F401, PLC0415
        from orchestrator.cache import probe  # noqa: PLC0415

        health.register_cache(probe.state)
        watched.tell_the_monitoring()
