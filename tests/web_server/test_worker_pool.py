"""Workers that end are replaced; a server that cannot start ends."""

import pytest

from kyros.web_server.worker_pool import MAX_PAUSE_SECONDS, STABLE_SECONDS, WorkerPool, WorkerSlot

pytestmark = pytest.mark.engine_neutral


def test_pause_grows_with_each_death_and_a_long_life_resets_it():
    slot, now, pauses = WorkerSlot(1), 0.0, []
    for _ in range(7):
        slot.start = now
        slot.plan_replacement(now + 1)
        pauses.append(slot.start - now - 1)
        now = slot.start
    assert pauses == [0.5, 1, 2, 4, 8, MAX_PAUSE_SECONDS, MAX_PAUSE_SECONDS]
    slot.plan_replacement(now + STABLE_SECONDS)
    assert slot.start == now + STABLE_SECONDS
    slot.plan_replacement(slot.start + 1)
    assert slot.pause == 0.5


def test_server_whose_workers_cannot_start_ends():
    def fail(number, ready):
        raise SystemExit(3)

    assert WorkerPool(2, fail).run() == 3
