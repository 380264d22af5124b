"""The inequalities between the protocol's durations."""

import pytest
from django.conf import LazySettings

from kyros import connection_urls
from orchestrator.cache import relay, tags, timing

pytestmark = pytest.mark.engine_neutral

CALL = float(connection_urls.CACHE_TIMEOUT_SECONDS)


def test_a_late_run_of_the_relay_does_not_let_the_lease_expire():
    assert 3 * timing.RELAY_EVERY < timing.LEASE


def test_a_write_that_cannot_be_announced_takes_less_than_a_quarter_of_a_second():
    assert CALL + timing.LEASE + timing.LEASE_SLACK < 0.25


def test_a_waiting_writer_sees_the_outbox_drained_before_the_lease_ends():
    assert timing.LEASE_SLACK > 0
    assert timing.OUTBOX_POLL_EVERY < timing.LEASE


def test_a_writer_outlives_the_calls_that_it_makes():
    """A writer that expires between begin and end is safe, but its tags get one more generation."""
    assert 10 * CALL < timing.WRITER_EXPIRY < timing.GENERATION_KEPT


def test_a_caller_gives_up_waiting_before_the_claim_expires():
    assert timing.FILL_POLL_EVERY < timing.FILL_WAIT < timing.FILL_EXPIRY


@pytest.mark.parametrize("setting", sorted(set(tags.TTL_SETTINGS.values())))
def test_an_outbox_row_is_pruned_after_the_entries_that_it_invalidates_expired(
    setting: str, settings: LazySettings
):
    month = 30 * 86_400
    setattr(settings, setting, month)
    assert relay.prune_after() > month * (1 + timing.TTL_JITTER)
