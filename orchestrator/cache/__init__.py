"""A coherent cache of API responses: a read that starts after a write was acknowledged sees that write.

``docs/coherent-cache.md`` describes the protocol. The modules:

- ``tags``: what a response depends on, and what a changed row invalidates
- ``spec``, ``response_key``: describe one cacheable response
- ``lookup``: look up, build and store
- ``commit_hook``, ``in_flight``: collect, begin and end around every COMMIT
- ``outbox``, ``drain``, ``relay``: invalidations that wait in the database
- ``lease``, ``epoch``: when a process may trust the cache, and which entries are void
- ``barrier``: what a response waits for that acknowledges something
- ``database``: what the protocol asks of the database
- ``timing``: all durations of the protocol
- ``client``, ``raw_pool``, ``breaker``: calls to the cache server
- ``url_parameters``: which parameters the server's URL may have
- ``scripts``, ``keys``: the scripts that run on the cache server, and its keys
- ``fingerprint``: which code's entries this process reads
- ``signing``: makes a tampered entry a miss
- ``local_entries``: entries that this process has verified
- ``metrics``, ``health``, ``audit``: counters, measurements, and a comparison with the database

Only this package calls the cache server.
"""
