"""The model of the cache protocol: no reachable state allows a stale read.

That holds for acknowledged writes, for everything that a response acknowledges, and for the writes of dead
writers. Without any one rule of the protocol there must be a stale read: this shows that the model can fail.
"""

from dataclasses import replace

import pytest

from tests.cache.model.protocol import find, prove
from tests.cache.model.rules import Rules, Take, World
from tests.cache.model.state import is_stale, is_useful

pytestmark = [pytest.mark.engine_neutral, pytest.mark.slow]

#: One process with a lease, and a request that acknowledges what it found.
PROCESS = World(writers=1, processes=1, acks=1)
TWO_WRITERS = replace(PROCESS, writers=2)
EVERYTHING = replace(PROCESS, cut_off=1, freezes=True, restarts=1, evicts=True)

WORLDS = {
    "three writers, two readers": (World(3, 2), Rules()),
    "dead writers": (replace(TWO_WRITERS, readers=2), Rules()),
    "cut off": (replace(TWO_WRITERS, cut_off=2), Rules()),
    "cut off, on SQLite": (replace(TWO_WRITERS, cut_off=2), Rules(takes_others_rows=Take.ANNOUNCED)),
    "cut off, with late calls": (replace(TWO_WRITERS, acks=0, cut_off=2, late=True), Rules()),
    "cut off, two readers": (replace(PROCESS, cut_off=1, readers=2, late=True), Rules(lease=2)),
    "cut off, two processes": (replace(PROCESS, cut_off=1, processes=2), Rules()),
    "frozen": (replace(PROCESS, freezes=True, late=True), Rules(lease=2)),
    "frozen, two processes": (replace(PROCESS, processes=2, freezes=True), Rules()),
    "its clock stops": (replace(PROCESS, pauses=True, freezes=True, cut_off=1), Rules()),
    "restarted empty": (replace(TWO_WRITERS, restarts=1), Rules()),
    "restarted empty twice": (replace(PROCESS, processes=2, restarts=2), Rules()),
    "restored": (replace(TWO_WRITERS, acks=0, restarts=1, restores=True), Rules()),
    "restored twice": (replace(PROCESS, restarts=2, restores=True), Rules()),
    "evicting": (replace(TWO_WRITERS, evicts=True), Rules()),
    "the database goes back": (replace(PROCESS, goes_back=True, cut_off=1), Rules()),
    "the database goes back, two processes": (replace(PROCESS, goes_back=True, processes=2), Rules()),
    "the outbox is pruned": (replace(PROCESS, prunes=True, cut_off=1), Rules()),
    "everything at once": (replace(EVERYTHING, acks=0, late=True), Rules()),
    "everything at once, and an acknowledgement": (EVERYTHING, Rules()),
}


@pytest.mark.parametrize(("world", "rules"), WORLDS.values(), ids=WORLDS)
def test_no_read_is_stale(world, rules, record_property):
    exploration = prove(world, rules)
    record_property("exploration", str(exploration))
    assert exploration.path is None, str(exploration)
    assert exploration.states > 200


ONE = World(writers=1)
ONE_CUT_OFF = World(writers=1, processes=1, cut_off=1)
TWO_CUT_OFF = World(writers=2, processes=1, cut_off=2)
EVICTING = World(writers=1, processes=1, evicts=True)
RESTARTED = World(writers=1, processes=1, restarts=1)
RESTORED = World(writers=1, processes=1, restarts=1, restores=True)

BROKEN = {
    # Simpler protocols.
    "delete after commit": (ONE, Rules(begins=False, deletes_at_end=True)),
    "new generation after commit": (ONE, Rules(begins=False)),
    "new generation before and after commit": (ONE, Rules(renews_at_begin=True)),
    # The rules of this protocol.
    "in flight, but the generation not marked": (ONE, Rules(marks_generation=False)),
    "every writer that ends renews": (World(writers=2), Rules(last_one_out_renews=False)),
    "a mark that expires while its transaction is open": (ONE, Rules(marks_end_with_transaction=False)),
    "version read after the query": (ONE, Rules(reads_version_before_query=False)),
    "missing generation created while a writer is in flight": (
        EVICTING,
        Rules(creates_generation_in_flight=True),
    ),
    "counters for tokens": (EVICTING, Rules(random_tokens=False)),
    "no wait after a begin that failed": (ONE_CUT_OFF, Rules(waits_for_lease=False)),
    "an acknowledgement without the barrier": (
        replace(ONE_CUT_OFF, acks=1),
        Rules(acks_at_barrier=False),
    ),
    "rows of others put back as its own": (TWO_CUT_OFF, Rules(takes_others_rows=Take.ALWAYS)),
    "lease starts after the read of the outbox": (ONE_CUT_OFF, Rules(lease_starts_before_read=False)),
    "lease by the server's clock": (replace(ONE_CUT_OFF, pauses=True), Rules(lease_by_own_clock=False)),
    "invalidation while a writer is in flight": (TWO_CUT_OFF, Rules(drain_spares_in_flight=False)),
    "deletion of rows that were not read": (TWO_CUT_OFF, Rules(drain_deletes_only_read_rows=False)),
    "reading the outbox once, though a waited-out row suffices": (
        TWO_CUT_OFF,
        Rules(drain_reads_until_empty=False),
    ),
    "no epoch on restart": (RESTORED, Rules(new_epoch_on_restart=False)),
    "epoch first, script later": (replace(RESTORED, restarts=2), Rules(loads_with_new_epoch=False)),
    "no doubt after a restart": (replace(RESTARTED, acks=1), Rules(doubts_until_over=False)),
    "a restored database that goes unnoticed": (
        World(writers=1, processes=1, goes_back=True),
        Rules(knows_history=False),
    ),
    "an outbox that is pruned while the epoch lives": (
        replace(ONE_CUT_OFF, prunes=True),
        Rules(prunes_after_epoch=False),
    ),
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
    assert find(is_useful, World(processes=1)).path
