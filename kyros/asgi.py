"""The ASGI application, for asynchronous web servers: `kyros.asgi:application`."""

from django.core.asgi import get_asgi_application

from kyros.bootstrap import load_settings

load_settings()
application = get_asgi_application()
