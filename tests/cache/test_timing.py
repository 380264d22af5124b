"""The inequalities between the protocol's durations."""

import pytest

from kyros import connection_urls
from orchestrator.cache import timing

pytestmark = pytest.mark.engine_neutral

CALL = float(connection_urls.CACHE_TIMEOUT_SECONDS)


def test_a_write_that_cannot_be_announced_takes_less_than_a_quarter_of_a_second():
    assert CALL + timing.LEASE + timing.LEASE_MARGIN < 0.25


def test_a_waiting_writer_sees_the_outbox_drained_before_the_lease_ends():
    assert timing.LEASE_MARGIN > 0
    assert timing.OUTBOX_POLL_EVERY < timing.LEASE


def test_a_writer_is_not_suspected_while_it_waits_for_its_calls():
    assert 5 * CALL < timing.WRITER_SUSPECTED_AFTER < timing.GENERATION_KEPT


def test_an_epoch_expires_long_before_outbox_rows_are_pruned():
    assert 2 * timing.EPOCH_KEPT < timing.PRUNE_AFTER


def test_a_caller_gives_up_waiting_before_the_claim_expires():
    assert timing.FILL_POLL_EVERY < timing.FILL_WAIT < timing.FILL_EXPIRY
