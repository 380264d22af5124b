"""Registration of the orchestrator with Django."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class OrchestratorConfig(AppConfig):
    """The domain application."""

    name = "orchestrator"
    verbose_name = "Orchestrator"

    def ready(self) -> None:
        """Connect the receivers, and hand the monitoring what it watches here."""
        # Imported here: what needs the settings can be imported once they are loaded.
        from monitoring import readiness  # noqa: PLC0415
        from orchestrator import checks, signals, watched  # noqa: F401, PLC0415
        from orchestrator.cache import probe, triggers  # noqa: PLC0415

        readiness.register_cache(probe.state)
        watched.register_with_monitoring()
        pre_migrate.connect(triggers.before_migrate, sender=self)
        post_migrate.connect(triggers.after_migrate, sender=self)
