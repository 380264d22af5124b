"""The WSGI application that web servers load: `kyros.wsgi:application`."""

from django.core.wsgi import get_wsgi_application

from kyros.startup import load_settings

load_settings()
application = get_wsgi_application()
