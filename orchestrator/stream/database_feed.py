"""The feed of the database that the settings name."""

from django.db import DEFAULT_DB_ALIAS, connections

from orchestrator.stream.feeds import Feed
from orchestrator.stream.postgresql import PostgresFeed
from orchestrator.stream.sqlite import SqliteFeed


def current() -> Feed:
    """Return the feed of the default database: a replica does not know which transactions are open."""
    return PostgresFeed() if connections[DEFAULT_DB_ALIAS].vendor == "postgresql" else SqliteFeed()
