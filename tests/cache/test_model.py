"""The cache's protocol, explored whole: nobody reads what is older than an acknowledged write.

Nor, where it can be helped, what is older than the write of a writer that died before it could acknowledge.
Each rule of the protocol is then broken, which must lead to a stale read: the model is able to fail.
"""

from dataclasses import replace

import pytest

from tests.cache.model.protocol import find, prove
from tests.cache.model.rules import Rules, Take, World
from tests.cache.model.state import is_stale, is_useful

pytestmark = [pytest.mark.engine_neutral, pytest.mark.slow]

CUT_OFF = World(cut_off=2, late=True, keepers=1)
EVERYTHING = World(
    writers=1, keepers=1, cut_off=1, late=True, freezes=True, restarts=1, evicts=True, slow=True, unsure=True
)

RIGHT = {
    "three writers, two readers": (World(3, 2, slow=True, unsure=True), Rules()),
    "cut off": (CUT_OFF, Rules()),
    "cut off, on SQLite": (CUT_OFF, Rules(takes_others_rows=Take.ANNOUNCED)),
    "cut off, two readers": (replace(CUT_OFF, writers=1, cut_off=1, readers=2), Rules(lease=2)),
    "cut off, two keepers": (replace(CUT_OFF, writers=1, cut_off=1, keepers=2), Rules(lease=2)),
    "frozen": (World(1, 2, keepers=1, freezes=True, late=True), Rules(lease=2)),
    "frozen, two keepers": (World(1, 1, keepers=2, freezes=True, late=True), Rules()),
    "restarted empty": (World(2, 2, keepers=1, restarts=2), Rules()),
    "restored": (World(2, 1, keepers=1, restarts=1, restores=True), Rules()),
    "restored twice": (World(1, 1, keepers=1, restarts=2, restores=True), Rules(lease=2)),
    "evicting": (World(2, 2, keepers=1, evicts=True), Rules()),
    "everything at once": (EVERYTHING, Rules()),
}


@pytest.mark.parametrize(("world", "rules"), RIGHT.values(), ids=RIGHT)
def test_no_read_is_stale(world, rules, record_property):
    exploration = prove(world, rules)
    record_property("exploration", str(exploration))
    assert exploration.way is None, str(exploration)
    assert exploration.states > 1000


ONE = World(writers=1)
ONE_CUT_OFF = World(writers=1, keepers=1, cut_off=1)
TWO_CUT_OFF = World(writers=2, keepers=1, cut_off=2)
EVICTING = World(writers=1, keepers=1, evicts=True)
RESTORED = World(writers=1, keepers=1, restarts=1, restores=True)

BROKEN = {
    # What others do.
    "delete after commit": (ONE, Rules(begins=False, deletes_at_end=True)),
    "new generation after commit": (ONE, Rules(begins=False)),
    "new generation before and after commit": (ONE, Rules(renews_at_begin=True)),
    # Our own rules.
    "in flight but not marked": (ONE, Rules(marks=False)),
    "anybody who leaves renews": (World(writers=2), Rules(last_one_out_renews=False)),
    "end though the COMMIT's outcome is unknown": (
        replace(ONE, unsure=True),
        Rules(no_end_if_unsure=False),
    ),
    "version read after the query": (ONE, Rules(stamps_before_query=False)),
    "missing generation minted in flight": (EVICTING, Rules(mints_in_flight=True)),
    "counted tokens": (EVICTING, Rules(random_tokens=False)),
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
    "others' rows put back as one's own": (TWO_CUT_OFF, Rules(takes_others_rows=Take.ALWAYS)),
    "lease counted from now": (ONE_CUT_OFF, Rules(lease_from_before_look=False)),
    "relay renews while a writer is in flight": (TWO_CUT_OFF, Rules(keeper_spares_in_flight=False)),
    "relay deletes rows it has not read": (TWO_CUT_OFF, Rules(keeper_deletes_what_it_read=False)),
    "relay looks once, though a row vouches": (TWO_CUT_OFF, Rules(keeper_looks_until_empty=False)),
    "no epoch on restart": (RESTORED, Rules(new_epoch_on_restart=False)),
    "epoch first, script later": (replace(RESTORED, restarts=2), Rules(loads_with_new_epoch=False)),
}


@pytest.mark.parametrize(("world", "rules"), BROKEN.values(), ids=BROKEN)
def test_without_the_rule_a_read_is_stale(world, rules, record_property):
    exploration = find(is_stale, world, rules)
    record_property("exploration", str(exploration))
    assert exploration.way


@pytest.mark.parametrize("world", dict.fromkeys(world for world, _ in BROKEN.values()), ids=str)
def test_with_all_rules_the_same_world_is_right(world):
    assert prove(world).way is None


def test_answers_do_come_from_the_cache():
    """The model would be right, and worth nothing, if nothing were ever served from the cache."""
    assert find(is_useful, World(keepers=1)).way
