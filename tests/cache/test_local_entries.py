"""The store of verified entries is bounded in bytes, however small its entries are."""

import tracemalloc
from uuid import uuid4

import pytest

from orchestrator.cache.local_entries import LocalEntries, VerifiedEntry
from orchestrator.cache.scripts import EntryHeader
from orchestrator.cache.spec import Lookup

pytestmark = pytest.mark.engine_neutral

MB = 1_000_000


def entry(size: int) -> VerifiedEntry:
    body, etag = b"x" * size, uuid4().hex
    header = EntryHeader(uuid4().bytes * 2, etag.encode(), uuid4().bytes * 2)
    return VerifiedEntry(header, Lookup(body, etag, version=header.version), body)


@pytest.mark.parametrize("size", [10, 1000, 40_000])
def test_the_store_takes_about_the_memory_that_it_may_take(size: int):
    tracemalloc.start()
    try:
        store = LocalEntries(2 * MB)
        for _ in range(10_000 if size < 10_000 else 200):
            store.keep(uuid4().hex, entry(size))
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert MB < taken < 3 * MB
