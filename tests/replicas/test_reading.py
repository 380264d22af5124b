"""Reads from a replica: what clients see, whatever the replica or the primary does."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.http_client import HttpClient
from tests.polling import wait_until
from tests.replicas.service import LIST, ReplicatedService, reads
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import PostgresReplica

pytestmark = [pytest.mark.engine_neutral, pytest.mark.slow]


@pytest.fixture(scope="module")
def url(service: ReplicatedService) -> str:
    return service.web()


@pytest.fixture
def client(url: str) -> HttpClient:
    return HttpClient(url).sign_in("moderator")


def post(client: HttpClient, name: str) -> str:
    response = client.post(LIST, {"name": name})
    assert response.status == 201, response.text
    return str(response.json()["id"])


def names(client: HttpClient) -> list[str]:
    response = client.get(LIST)
    assert response.status == 200, response.text
    return [row["name"] for row in response.json()["results"]]


def wait_for(outcome: str, client: HttpClient, path: str = LIST) -> None:
    """Send requests until a read from the replica has ended in this way; none may fail."""

    def ended() -> bool:
        before = reads(client.url).get(outcome, 0)
        assert client.get(path).status == 200
        return reads(client.url).get(outcome, 0) > before

    wait_until(ended, what=f"read that is {outcome}")


def test_lists_details_counts_and_histories_are_read_from_the_replica(client: HttpClient):
    job = post(client, "read")
    next_page = client.get(f"{LIST}?limit=1").json()["next"]
    if next_page is None:
        post(client, "second")
        next_page = client.get(f"{LIST}?limit=1").json()["next"]
    for path in (
        LIST,
        f"{LIST}?status=pending&priority=0",
        next_page.removeprefix(client.url),
        f"{LIST}{job}/",
        f"{LIST}{job}/events/",
        f"{LIST}counts/",
        "/api/v1/events/recent/",
        "/api/v1/users/",
    ):
        wait_for("used", client, path)


def test_the_consoles_lists_are_read_from_the_replica(service: ReplicatedService, client: HttpClient):
    post(client, "in the console")
    browser = HttpClient(client.url, {"Cookie": f"sessionid={service.session}", "Accept": "text/html"})
    wait_for("used", browser, "/admin/orchestrator/job/")
    assert "in the console" in browser.get("/admin/orchestrator/job/").text


def test_a_missing_row_is_404_and_the_replica_is_used_again(client: HttpClient):
    before = reads(client.url).get("failed", 0)
    missing = f"{LIST}00000000-0000-7000-8000-000000000000/"
    assert {client.get(missing).status for _ in range(5)} == {404}
    wait_for("used", client)
    assert reads(client.url).get("failed", 0) == before


def test_a_write_is_seen_while_the_replica_does_not_show_it(service: ReplicatedService, client: HttpClient):
    with service.paused_replay():
        job = post(client, "seen at once")
        assert "seen at once" in names(client)
        assert client.get(f"{LIST}{job}/").status == 200
        assert client.send("DELETE", f"{LIST}{job}/", None).status == 204
        assert client.get(f"{LIST}{job}/").status == 404
        wait_for("behind", client)
        assert findings(client) == {"replica:behind:replica1"}
    wait_for("used", client)


@contextmanager
def commit_that_waits_for_a_standby(service: ReplicatedService, sql: str) -> Iterator[None]:
    """Execute a statement whose commit only the replica shows as long as the block runs."""
    service.on_primary("ALTER SYSTEM SET synchronous_standby_names = 'absent'")
    service.on_primary("SELECT pg_reload_conf()")
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    with ThreadPoolExecutor(1) as threads:
        writer = threads.submit(service.on_primary, sql)
        try:
            wait_until(lambda: service.on_primary(waiting) == (1,), what="commit that waits")
            yield
        finally:
            # Without the synchronous commit these statements would wait, too.
            with service.primary.connect() as connection:
                connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
                connection.execute("SELECT pg_reload_conf()")
            writer.result()


def test_what_the_primary_does_not_show_yet_is_not_shown(service: ReplicatedService, client: HttpClient):
    job = post(client, "old")
    path = f"{LIST}{job}/"
    wait_for("used", client, path)
    renamed = f"UPDATE jobs SET name = 'new' WHERE id = '{job}'"  # noqa: S608 - the test's own values
    with commit_that_waits_for_a_standby(service, renamed):
        of_replica = f"SELECT name FROM jobs WHERE id = '{job}'"  # noqa: S608 - as above
        wait_until(lambda: service.on_replica(of_replica) == ("new",), what="replay of the commit")
        wait_for("ahead", client, path)
        assert {client.get(path).json()["name"] for _ in range(20)} == {"old"}
    assert client.get(path).json()["name"] == "new"
    wait_for("used", client, path)


def test_an_open_transaction_keeps_nobody_from_the_replica(service: ReplicatedService, client: HttpClient):
    with service.primary.connect() as connection, connection.transaction():
        connection.execute("UPDATE users SET email = 'x@example.org' WHERE username = 'user'")
        post(client, "beside an open transaction")
        wait_for("used", client)


def findings(client: HttpClient) -> set[str]:
    response = client.get("/monitoring/performance/database")
    assert response.status == 200, response.text
    report = response.json()["database_performance"]
    return {each["id"] for each in report["recommendations"] if each["id"].startswith("replica:")}


def test_a_frozen_replica_is_left_out_and_comes_back(service: ReplicatedService, client: HttpClient):
    assert findings(client) == set()
    with service.frozen(service.replica):
        wait_for("failed", client)
        assert findings(client) == {"replica:unreachable:replica1"}
        post(client, "while frozen")
        assert "while frozen" in names(client)
    wait_for("used", client)


def test_a_killed_replica_is_left_out_and_comes_back(service: ReplicatedService, client: HttpClient):
    wait_for("used", client)
    service.replica.kill()
    wait_for("failed", client)
    post(client, "while away")
    assert "while away" in names(client)
    service.replica.start()
    wait_for("used", client)
    assert "while away" in names(client)


def test_nothing_is_read_from_a_replica_while_the_primary_is_away(
    service: ReplicatedService, client: HttpClient
):
    wait_for("used", client)
    with service.frozen(service.primary):
        response = client.get(LIST)
        assert (response.status, response.headers["Retry-After"]) == (503, "1")
    wait_until(lambda: client.get(LIST).status == 200, what="a list")
    wait_for("used", client)


def test_commits_that_are_not_flushed_are_seen(service: ReplicatedService, client: HttpClient):
    wait_for("used", client)
    for setting in ("synchronous_commit = off", "wal_writer_delay = '10s'"):
        service.on_primary(f"ALTER SYSTEM SET {setting}")
    service.on_primary("SELECT pg_reload_conf()")
    wait_until(lambda: service.on_primary("SHOW synchronous_commit") == ("off",), what="the setting")
    for number in range(5):
        post(client, f"not flushed {number}")
        assert f"not flushed {number}" in names(client)
    service.on_primary("ALTER SYSTEM RESET ALL")
    service.on_primary("SELECT pg_reload_conf()")
    wait_for("used", client)


def test_a_replica_behind_pgbouncer_is_used(service: ReplicatedService):
    pgbouncer = PgBouncer(service.replica, service.folder / "pgbouncer")
    try:
        pgbouncer.start()
        client = HttpClient(service.web(DATABASE_REPLICA_URLS=pgbouncer.url())).sign_in("moderator")
        for number in range(5):
            post(client, f"by pgbouncer {number}")
            assert f"by pgbouncer {number}" in names(client)
        wait_for("used", client)
    finally:
        pgbouncer.close()


def promote(service: ReplicatedService) -> None:
    """Make the replica a primary, unless another test has. There is no way back: these tests are the last."""
    service.on_replica("SELECT CASE WHEN pg_is_in_recovery() THEN pg_promote() END")


def test_a_promoted_replica_is_left_out(service: ReplicatedService, client: HttpClient):
    post(client, "of the primary")
    wait_for("used", client)
    promote(service)
    service.on_replica("DELETE FROM jobs")
    wait_for("unrelated", client)
    assert findings(client) == {"replica:unrelated:replica1"}
    assert names(client)


def test_a_replica_of_the_old_primary_is_left_out_after_a_failover(service: ReplicatedService):
    other = PostgresReplica(service.primary, service.folder / "other")
    try:
        other.start()
        promote(service)
        # The other replica is further than the new primary, but in the old primary's history.
        service.on_primary("CREATE TABLE grown AS SELECT generate_series(1, 100000)")
        service.on_primary("INSERT INTO tasks (id, title) SELECT gen_random_uuid(), 'of the old primary'")
        url = service.web(DATABASE_URL=service.replica.url(), DATABASE_REPLICA_URLS=other.url())
        client = HttpClient(url).sign_in("moderator")
        wait_for("unrelated", client)
        for _ in range(20):
            assert client.get("/api/v1/tasks/").json()["results"] == []
    finally:
        other.close()
