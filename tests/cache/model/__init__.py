"""The protocol of the coherent cache (docs/adr/0010-coherent-cache.md) as a small model, explored whole.

One tag and one entry. Every call to the cache server and every statement is a step of its own, taken in
any order. A read is one script, so it is answered from a single state: a stale read is a property of states.
"""
