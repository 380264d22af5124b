"""Applications that the project adapts."""

from django.contrib.admin.apps import SimpleAdminConfig


class OperatorAdminConfig(SimpleAdminConfig):
    """Django's admin, with the orchestrator's site as its own.

    The site's pages are found when its addresses are loaded: who serves none starts without them.
    """

    default_site = "orchestrator.console.site.Console"
