"""The admin site that operators sign in to."""

from django.contrib.admin import AdminSite


class Console(AdminSite):
    """The Django admin under the project's name."""

    site_title = "Kyros Praxis"
    site_header = "Kyros Praxis"
    index_title = "Operators' console"
    site_url = "/api/v1/"
