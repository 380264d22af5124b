"""The ASGI application, for asynchronous web servers: `kyros.asgi:application`."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kyros.settings")

application = get_asgi_application()
