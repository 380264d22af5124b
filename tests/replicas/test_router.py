"""Which database a query goes to."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.conf import LazySettings
from django.db import router, transaction

from orchestrator.db import replicas
from orchestrator.db.replicas import reading
from orchestrator.db.replicas.router import current_replica
from orchestrator.models import Job


@pytest.fixture(autouse=True)
def replica(settings: LazySettings) -> str:
    settings.DATABASE_REPLICAS = ["replica1"]
    return "replica1"


@pytest.fixture
def inside(replica: str) -> Iterator[None]:
    """A read from the replica."""
    token = current_replica.set(replica)
    yield
    current_replica.reset(token)


def of_replica() -> Job:
    job = Job(name="from the replica")
    job._state.db = "replica1"  # noqa: SLF001 - as a query does
    return job


@pytest.mark.engine_neutral
def test_reads_go_to_the_replica_and_writes_to_the_primary(inside: None):
    assert router.db_for_read(Job) == "replica1"
    assert router.db_for_write(Job) == "default"
    assert router.db_for_write(Job, instance=of_replica()) == "default"


@pytest.mark.engine_neutral
def test_what_belongs_to_a_row_of_a_replica_is_read_from_the_primary():
    assert router.db_for_read(Job, instance=of_replica()) == "default"
    assert router.allow_relation(of_replica(), Job(name="new"))


@pytest.mark.engine_neutral
def test_nothing_migrates_a_replica():
    assert not router.allow_migrate("replica1", "orchestrator")
    assert router.allow_migrate("default", "orchestrator")


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_an_open_transaction_reads_from_the_primary(replica: str):
    assert reading._choose() == replica  # noqa: SLF001 - what a read outside a transaction begins with
    with transaction.atomic():
        assert replicas.read(lambda: router.db_for_read(Job)) == "default"


@pytest.mark.engine_neutral
def test_a_replica_is_left_out_for_longer_each_time(monkeypatch: pytest.MonkeyPatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(reading, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(reading, "_left_out", {})
    left_out = []
    for _ in range(10):
        reading._leave_out("replica1")  # noqa: SLF001 - as a read does that found it unusable
        reading._leave_out("replica1")  # noqa: SLF001 - another thread found out the same
        until, seconds = reading._left_out["replica1"]  # noqa: SLF001 - read by the choice of a replica
        left_out.append(seconds)
        clock.now = until
    assert left_out[:3] == [reading.MIN_LEFT_OUT, 2 * reading.MIN_LEFT_OUT, 4 * reading.MIN_LEFT_OUT]
    assert left_out[-1] == reading.MAX_LEFT_OUT


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_sqlite_has_no_replicas():
    assert replicas.read(lambda: router.db_for_read(Job)) == "default"
