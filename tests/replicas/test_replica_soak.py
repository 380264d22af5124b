"""The soak with a replica: no stale, backward or lost version while all servers fail in turn."""

import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cache.soak import SOAK_JOBS, Soak
from tests.cache.test_soak import stop_at_first_stale
from tests.http_client import HttpClient
from tests.replicas.service import ReplicatedService, reads
from tests.servers.valkey import ValkeyServer

#: How long the servers go on failing; each fails once at least.
SECONDS = float(os.environ.get("SOAK_SECONDS", "1"))
WRITES_A_SECOND = 80

pytestmark = [pytest.mark.engine_neutral, pytest.mark.slow, pytest.mark.timeout(SECONDS + 180)]


@pytest.fixture
def jobs(service: ReplicatedService) -> dict[str, list[str]]:
    service.on_primary("DELETE FROM jobs")
    ids: dict[str, list[str]] = json.loads(service.run_in_shell(SOAK_JOBS))
    return ids


def soak_of(url: str, jobs: dict[str, list[str]]) -> Soak:
    token = HttpClient(url).sign_in("moderator").headers["Authorization"].removeprefix("Bearer ")
    return Soak(url, token, jobs, WRITES_A_SECOND, unavailable=True)


def test_nothing_is_stale_backward_or_lost_while_servers_fail(
    service: ReplicatedService, jobs: dict[str, list[str]], valkey_server: Callable[..., ValkeyServer]
):
    cache = valkey_server()
    url = service.web(workers=2, REDIS_URL=cache.url)
    soak = soak_of(url, jobs)
    soak.backward = True
    with ThreadPoolExecutor(1) as threads:
        failing = threads.submit(fail, service, cache, soak)
        result = soak.run(SECONDS + 120)
        failing.result()
    used = reads(url)
    print(f"\n{result}; reads from the replica: {used}")  # noqa: T201 - the result of a long run
    assert result.errors == []
    assert result.stale == []
    assert result.writes > 0
    assert used["used"] > 0
    with service.primary.connect() as connection:
        kept = dict(connection.execute("SELECT id::text, priority FROM jobs").fetchall())
    lost = [job for job, version in soak.versions.items() if kept[job] < version.acknowledged]
    assert lost == []


def fail(service: ReplicatedService, cache: ValkeyServer, soak: Soak) -> None:
    """Let the replica, the primary and the cache fail in turn, and wait until each is used again."""
    deadline = time.monotonic() + SECONDS
    try:
        while not soak.stop.wait(0.3):
            with service.paused_replay():
                soak.stop.wait(0.3)
            with service.frozen(service.replica):
                soak.stop.wait(0.7)
            service.replica.kill()
            soak.stop.wait(0.3)
            service.replica.start()
            soak.wait_for_write()
            with service.frozen(service.primary):
                soak.stop.wait(1)
            soak.wait_for_write()
            service.primary.kill()
            soak.stop.wait(0.3)
            service.primary.start()
            soak.wait_for_write()
            # Only acknowledged versions are promised while the cache fails.
            soak.backward = False
            cache.freeze()
            soak.stop.wait(0.5)
            cache.thaw()
            cache.kill()
            soak.stop.wait(0.3)
            cache.restart()
            soak.wait_for_write()
            soak.backward = True
            if time.monotonic() > deadline:
                break
    finally:
        soak.stop.set()


# The soak itself is tested.
def test_detects_reads_from_a_replica_that_is_behind(service: ReplicatedService, jobs: dict[str, list[str]]):
    service.on_replica("ALTER SYSTEM SET recovery_min_apply_delay = '50ms'")
    service.on_replica("SELECT pg_reload_conf()")
    url = service.web(application="tests.replicas.careless_app:without_positions")
    soak = soak_of(url, jobs)
    watching = threading.Thread(target=stop_at_first_stale, args=(soak,))
    watching.start()

    result = soak.run(60)

    watching.join()
    assert result.errors == []
    assert result.stale != []
