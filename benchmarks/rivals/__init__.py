"""The list of jobs, built in other ways: a small Django project on the service's tables."""
