"""Registration of the orchestrator with Django."""

from django.apps import AppConfig


class OrchestratorConfig(AppConfig):
    """The domain application."""

    name = "orchestrator"
    verbose_name = "Orchestrator"
