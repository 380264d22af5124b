"""The model of the cache protocol: no reachable state allows a stale read.

That holds for acknowledged writes, and as far as possible for writers that died before they acknowledged.
Without any one rule of the protocol there must be a stale read: this shows that the model can fail.
"""

from dataclasses import replace

import pytest

from tests.cache.model.protocol import find, prove
from tests.cache.model.rules import Rules, Take, World
from tests.cache.model.state import is_stale, is_useful

pytestmark = [pytest.mark.engine_neutral, pytest.mark.slow]

CUT_OFF = World(cut_off=2, late=True, relays=1)
EVERYTHING = World(
    writers=1, relays=1, cut_off=1, late=True, freezes=True, restarts=1, evicts=True, slow=True, unsure=True
)

WORLDS = {
    "three writers, two readers": (World(3, 2, slow=True, unsure=True), Rules()),
    "cut off": (CUT_OFF, Rules()),
    "cut off, on SQLite": (CUT_OFF, Rules(takes_others_rows=Take.ANNOUNCED)),
    "cut off, two readers": (replace(CUT_OFF, writers=1, cut_off=1, readers=2), Rules(lease=2)),
    "cut off, two relays": (replace(CUT_OFF, writers=1, cut_off=1, relays=2), Rules(lease=2)),
    "frozen": (World(1, 2, relays=1, freezes=True, late=True), Rules(lease=2)),
    "frozen, two relays": (World(1, 1, relays=2, freezes=True, late=True), Rules()),
    "restarted empty": (World(2, 2, relays=1, restarts=2), Rules()),
    "restored": (World(2, 1, relays=1, restarts=1, restores=True), Rules()),
    "restored twice": (World(1, 1, relays=1, restarts=2, restores=True), Rules(lease=2)),
    "evicting": (World(2, 2, relays=1, evicts=True), Rules()),
    "everything at once": (EVERYTHING, Rules()),
}


@pytest.mark.parametrize(("world", "rules"), WORLDS.values(), ids=WORLDS)
def test_no_read_is_stale(world, rules, record_property):
    exploration = prove(world, rules)
    record_property("exploration", str(exploration))
    assert exploration.path is None, str(exploration)
    assert exploration.states > 1000


ONE = World(writers=1)
ONE_CUT_OFF = World(writers=1, relays=1, cut_off=1)
TWO_CUT_OFF = World(writers=2, relays=1, cut_off=2)
EVICTING = World(writers=1, relays=1, evicts=True)
RESTORED = World(writers=1, relays=1, restarts=1, restores=True)

BROKEN = {
    # Simpler protocols.
    "delete after commit": (ONE, Rules(begins=False, deletes_at_end=True)),
    "new generation after commit": (ONE, Rules(begins=False)),
    "new generation before and after commit": (ONE, Rules(renews_at_begin=True)),
    # The rules of this protocol.
    "in flight, but the generation not marked": (ONE, Rules(marks_generation=False)),
    "every writer that ends renews": (World(writers=2), Rules(last_one_out_renews=False)),
    "end though the COMMIT's outcome is unknown": (
        replace(ONE, unsure=True),
        Rules(no_end_if_unsure=False),
    ),
    "version read after the query": (ONE, Rules(reads_version_before_query=False)),
    "missing generation created while a writer is in flight": (
        EVICTING,
        Rules(creates_generation_in_flight=True),
    ),
    "counters for tokens": (EVICTING, Rules(random_tokens=False)),
    "no wait after a begin that failed": (ONE_CUT_OFF, Rules(waits_for_lease=False)),
    "no wait after an end that failed, restarted": (
        replace(ONE_CUT_OFF, restarts=1),
        Rules(unended_goes_to_outbox=False),
    ),
    "no wait after an end that failed, evicted": (
        replace(ONE_CUT_OFF, evicts=True),
        Rules(unended_goes_to_outbox=False),
    ),
    "no wait after an end that failed, expired": (
        replace(ONE_CUT_OFF, slow=True),
        Rules(unended_goes_to_outbox=False),
    ),
    "rows of others put back as its own": (TWO_CUT_OFF, Rules(takes_others_rows=Take.ALWAYS)),
    "lease starts after the read of the outbox": (ONE_CUT_OFF, Rules(lease_starts_before_read=False)),
    "relay renews while a writer is in flight": (TWO_CUT_OFF, Rules(relay_spares_in_flight=False)),
    "relay deletes rows it has not read": (TWO_CUT_OFF, Rules(relay_deletes_only_read_rows=False)),
    "relay reads once, though a waited-out row suffices": (TWO_CUT_OFF, Rules(relay_reads_until_empty=False)),
    "no epoch on restart": (RESTORED, Rules(new_epoch_on_restart=False)),
    "epoch first, script later": (replace(RESTORED, restarts=2), Rules(loads_with_new_epoch=False)),
}


@pytest.mark.parametrize(("world", "rules"), BROKEN.values(), ids=BROKEN)
def test_without_the_rule_a_read_is_stale(world, rules, record_property):
    exploration = find(is_stale, world, rules)
    record_property("exploration", str(exploration))
    assert exploration.path


@pytest.mark.parametrize("world", dict.fromkeys(world for world, _ in BROKEN.values()), ids=str)
def test_with_all_rules_the_same_world_has_no_stale_read(world):
    assert prove(world).path is None


def test_reads_are_served_from_the_cache():
    """A model in which every read bypassed the cache would have no stale reads either."""
    assert find(is_useful, World(relays=1)).path
