"""Django's database engines with the cache's commit hook, and what models and migrations need."""
