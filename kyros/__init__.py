"""The Django project of the Kyros Praxis orchestrator: settings, URLs, WSGI, ASGI and `make run`."""

__version__ = "0.1.0"
