"""A model of the cache protocol (docs/coherent-cache.md), whose states are explored exhaustively.

It has one tag and one entry. Every call to the cache server and every statement is a step, and the steps are
taken in any order. A read is one script, so it sees a single state: a stale read is a property of states.
"""
