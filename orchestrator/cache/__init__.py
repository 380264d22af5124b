"""The cache of the API's answers: never older than an acknowledged write.

How it keeps that promise is told in ``docs/adr/0010-coherent-cache.md``; the modules have the names used
there:

- ``tags``: what an answer depends on, and what a changed row makes stale
- ``specs``: an answer that may be cached: its key, tags and time to live
- ``reads``: look up, open, fill
- ``transactions``, ``writes``: collect, begin and end around every COMMIT
- ``outbox``, ``relay``: invalidations that wait in the database, and the lease on trust
- ``timing``: every duration of the protocol
- ``server``, ``breaker``: the one door to the cache server, and when it is shut
- ``scripts``: what runs on the cache server
- ``fingerprint``: which code's entries this process reads
- ``seals``: what makes a tampered entry a miss
- ``bodies``: bodies this process has already checked
- ``statistics``, ``health``, ``audit``: what it does, how its server is, and whether its answers are right

Nothing outside this package touches the cache server.
"""
