"""Sets of transactions behave as sets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.stream.transaction_snapshots import Snapshot

pytestmark = pytest.mark.engine_neutral

TRANSACTIONS = range(30)


@st.composite
def snapshots(draw, within=None):
    """Any snapshot; with ``within``, a smaller one, as an earlier snapshot of the same server is."""
    end = draw(st.integers(0, within.end if within else 25))
    missing = draw(st.sets(st.integers(0, end - 1))) if end else set()
    if within:
        missing |= {each for each in within.missing if each < end}
    return Snapshot(end, tuple(sorted(missing)))


def members(snapshot):
    return {each for each in TRANSACTIONS if each in snapshot}


@given(snapshots())
def test_a_snapshot_reads_what_postgresql_writes(snapshot):
    missing = ",".join(map(str, snapshot.missing))
    assert (
        Snapshot.parse(f"{min(snapshot.missing, default=snapshot.end)}:{snapshot.end}:{missing}") == snapshot
    )


@given(snapshots(), st.data())
def test_one_more_transaction(snapshot, data):
    transaction = data.draw(st.integers(0, snapshot.end))
    assert members(snapshot.with_transaction(transaction)) == members(snapshot) | {transaction}


@given(snapshots(), st.data())
def test_what_was_delivered_before_a_transaction(larger, data):
    smaller = data.draw(snapshots(within=larger))
    transaction = data.draw(st.integers(0, larger.end))
    lower = {each for each in members(larger) if each < transaction}
    found = smaller.with_lower(transaction, larger)
    assert members(found) == members(smaller) | lower
    assert transaction <= found.end
