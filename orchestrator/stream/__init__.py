"""The event stream: each committed event, once and in order, to every client that follows (docs/stream.md).

- ``transaction_snapshots``: sets of transactions, as PostgreSQL's snapshots are
- ``feeds``: what a feed is: it reads the events after a position; ``postgresql`` and ``sqlite`` are the two
- ``database_feed``: the one that the settings choose
- ``hub``: reads new events once for all clients, and hands each client those of its filter
- ``subscription``: one client: what waits to be sent, and when the client is cut off
- ``tickets``, ``access``: who may follow; ``rights`` ends the streams of users who no longer may
- ``stream_metrics``: what the process counts

``kyros.stream_server`` is the process that serves it.
"""
