"""Configuration of Django apps for this project."""

from django.contrib.admin.apps import SimpleAdminConfig


class OperatorAdminConfig(SimpleAdminConfig):
    """Django's admin with the orchestrator's admin site.

    `kyros.urls` registers the admin's pages, so processes that serve no pages start without them.
    """

    default_site = "orchestrator.console.site.Console"
