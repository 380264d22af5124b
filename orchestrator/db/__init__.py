"""Database engines: Django's own, with the cache told of every commit."""
