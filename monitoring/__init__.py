"""Monitors the database, its indexes and the cache. It does not know the application's models."""
