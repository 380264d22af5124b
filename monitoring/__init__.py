"""Looks at the database, its indexes and the cache; knows nothing of jobs."""
