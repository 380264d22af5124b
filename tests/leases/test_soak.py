"""The soak of leases: workers are killed and frozen, everything fails, and each job is done once."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.engines import POSTGRES
from tests.leases.soak import LeaseSoak
from tests.leases.soak_service import SoakService
from tests.servers.postgres import PostgresServer
from tests.servers.valkey import ValkeyServer

JOBS = int(os.environ.get("LEASE_SOAK_JOBS", "200"))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 + JOBS)]


def test_each_job_is_done_once_whatever_fails(
    engine: str,
    postgres_server: Callable[..., PostgresServer],
    valkey_server: Callable[..., ValkeyServer],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
):
    with ExitStack() as ends:
        postgres = postgres_server() if engine == POSTGRES else None
        service = SoakService(tmp_path, postgres, valkey_server(), ends)
        result = LeaseSoak(service, tmp_path, JOBS).run()

    print(f"\n{result}")  # noqa: T201 - the result of a long run
    record_property("soak", str(result))
    assert result.errors == []
    assert result.stale == []
    assert result.faults == []
    happened = result.happened
    assert happened["leases that ran out"] > 0
    assert happened["refused with 409"] > 0
    assert happened["reads: HIT"] > 0
    assert happened["status: completed"] > JOBS / 2
