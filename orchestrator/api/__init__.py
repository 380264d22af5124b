"""The HTTP API: URLs, views, serializers, and how responses are cached."""
