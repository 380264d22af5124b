"""Applications that the project adapts."""

from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AdminConfig):
    """Django's admin, with the orchestrator's site as its own."""

    default_site = "orchestrator.console.site.Console"
