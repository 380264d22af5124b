"""What `manage.py` can tell about database and cache."""
