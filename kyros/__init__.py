"""The Django project of the Kyros Praxis orchestrator: settings, addresses, servers and `make run`."""

__version__ = "0.1.0"
