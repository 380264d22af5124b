"""A database that hangs, is away or is locked: what needs it is 503 in time, and the rest goes on."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.http_client import HttpClient, Response
from tests.monitoring.test_hanging import TOKEN, Service
from tests.polling import wait_until
from tests.servers.postgres import PostgresServer
from tests.servers.valkey import ValkeyServer

pytestmark = [pytest.mark.engine_neutral, pytest.mark.slow]

#: More than a worker has threads.
CLIENTS = 12
LISTS = ("/api/v1/jobs/", "/api/v1/jobs/?status=pending", "/api/v1/jobs/counts/", "/api/v1/users/")
DASHBOARD = "/admin/dashboard/now/?range=hour"


class OutageService(Service):
    """A service that waits for its database for two seconds at most."""

    database_url = ""

    @property
    def env(self) -> dict[str, str]:
        env = {**super().env, "DB_POOL_TIMEOUT": "2"}
        return {**env, "DATABASE_URL": self.database_url} if self.database_url else env


@pytest.fixture
def service(
    postgres_server: Callable[..., PostgresServer], valkey_server: Callable[..., ValkeyServer], tmp_path: Path
) -> Iterator[Service]:
    with ExitStack() as ends:
        yield OutageService(postgres_server(), valkey_server(), tmp_path, ends)


@pytest.fixture
def sqlite_service(service: OutageService) -> OutageService:
    service.database_url = f"sqlite:///{service.folder / 'outage.sqlite3'}"
    return service


def browser_of(service: Service) -> Callable[[str], HttpClient]:
    session = service.prepare()
    return lambda url: HttpClient(url, {"Cookie": f"sessionid={session}", "Accept": "text/html"})


def get_at_once(client: HttpClient, paths: tuple[str, ...]) -> list[Response]:
    with ThreadPoolExecutor(CLIENTS) as threads:
        return list(threads.map(client.get, [paths[number % len(paths)] for number in range(CLIENTS)]))


def post_at_once(client: HttpClient) -> list[Response]:
    with ThreadPoolExecutor(CLIENTS) as threads:
        return list(threads.map(lambda _: client.post("/api/v1/jobs/", {"name": "x"}), range(CLIENTS)))


def wait_until_lists_are_unavailable(client: HttpClient) -> None:
    """Wait until no process may trust the cache any more without looking at the database."""
    wait_until(lambda: client.get(LISTS[0]).status == 503, what="end of the lease")


def assert_unavailable(responses: list[Response]) -> None:
    assert {(each.status, each.headers["Retry-After"]) for each in responses} == {(503, "1")}


def assert_alive_without_database(url: str) -> None:
    assert HttpClient(url).get("/healthz").status == 200
    assert HttpClient(url, {"Authorization": f"Bearer {TOKEN}"}).get("/metrics").status == 200


def test_a_frozen_database_holds_up_only_what_needs_it(service: Service):
    browser = browser_of(service)
    url = service.web()
    client, console = HttpClient(url).sign_in("moderator"), browser(url)
    assert {each.status for each in get_at_once(client, LISTS)} == {200}
    with service.frozen_database():
        wait_until_lists_are_unavailable(client)
        assert_unavailable(get_at_once(client, LISTS))
        assert_unavailable(post_at_once(client))
        assert_alive_without_database(url)
        page = console.get(DASHBOARD)
        assert_unavailable([page])
        assert "The database is unavailable" in page.text
    wait_until(lambda: client.get(LISTS[0]).status == 200, what="a list")
    assert client.post("/api/v1/jobs/", {"name": "x"}).status == 201


def test_a_database_that_is_away_is_never_a_500(service: Service):
    service.prepare()
    url = service.web()
    client = HttpClient(url).sign_in("moderator")
    get_at_once(client, LISTS)
    service.database.kill()
    wait_until_lists_are_unavailable(client)
    assert_unavailable(get_at_once(client, LISTS))
    assert_alive_without_database(url)
    service.database.start()
    wait_until(lambda: {each.status for each in get_at_once(client, LISTS)} == {200}, what="lists")


def test_without_a_pool_as_well(service: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DB_POOL_MIN_SIZE", "0")
    monkeypatch.setenv("DB_POOL_MAX_SIZE", "0")
    service.prepare()
    url = service.web()
    client = HttpClient(url).sign_in("moderator")
    with service.frozen_database():
        wait_until_lists_are_unavailable(client)
        assert_unavailable(get_at_once(client, LISTS))
        assert_alive_without_database(url)
    wait_until(lambda: client.get(LISTS[0]).status == 200, what="a list")
    service.database.kill()
    wait_until_lists_are_unavailable(client)
    assert_unavailable(get_at_once(client, LISTS))
    service.database.start()
    wait_until(lambda: client.get(LISTS[0]).status == 200, what="a list")


def test_an_exhausted_pool_is_503_and_shown(service: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DB_POOL_MIN_SIZE", "0")
    monkeypatch.setenv("DB_POOL_MAX_SIZE", "1")
    service.prepare()
    url = service.web()
    client = HttpClient(url).sign_in("moderator")
    collector = HttpClient(url, {"Authorization": f"Bearer {TOKEN}"})
    with service.database.connect() as locker:
        locker.autocommit = False
        locker.execute("LOCK TABLE jobs")
        assert_unavailable(get_at_once(client, LISTS[:1]))
        assert_alive_without_database(url)
        locker.rollback()
    wait_until(lambda: client.get(LISTS[0]).status == 200, what="a list")

    def errors() -> int:
        report = collector.get("/monitoring/performance/database").json()["database_performance"]
        return sum(pool["errors"] for pool in report["connections"]["pools"])

    wait_until(errors, what="requests that got no connection")


def test_a_locked_table_holds_up_only_what_needs_it(service: Service):
    service.prepare()
    url = service.web()
    client = HttpClient(url).sign_in("moderator")
    with service.database.connect() as locker, service.database.connect() as watcher:
        locker.autocommit = False
        locker.execute("LOCK TABLE jobs")
        assert_unavailable(get_at_once(client, LISTS[:1]))
        assert_alive_without_database(url)
        wait_until(lambda: client.get("/api/v1/tasks/").status == 200, what="another table's list")
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        wait_until(lambda: watcher.execute(waiting).fetchone() == (0,), what="end of what nobody waits for")
        locker.rollback()
    wait_until(lambda: client.get(LISTS[0]).status == 200, what="a list")


def test_a_locked_sqlite_file_holds_up_only_writes(sqlite_service: OutageService):
    browser = browser_of(sqlite_service)
    url = sqlite_service.web()
    client, console = HttpClient(url).sign_in("moderator"), browser(url)
    locker = sqlite3.connect(sqlite_service.folder / "outage.sqlite3", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(CLIENTS) as threads:
        posts = [threads.submit(client.post, "/api/v1/jobs/", {"name": "x"}) for _ in range(CLIENTS)]
        assert_alive_without_database(url)
        assert_unavailable([each.result() for each in posts])
    assert client.get(LISTS[0]).status == 200
    assert_unavailable([console.get(DASHBOARD)])
    locker.execute("ROLLBACK")
    wait_until(lambda: client.post("/api/v1/jobs/", {"name": "x"}).status == 201, what="a write")
    assert console.get(DASHBOARD).status == 200
