"""A database that hangs: the answer comes, and says so."""

from collections.abc import Callable

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.over_http import HttpClient
from tests.servers.postgres import PostgresServer
from tests.servers.valkey import ValkeyServer
from tests.servers.web import WebServer
from tests.waiting import wait_until

TOKEN = "a metrics token of the tests"


def metrics(client: HttpClient) -> dict[str, float]:
    """Return the figures that have no labels."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        sample.name: sample.value for family in families for sample in family.samples if not sample.labels
    }


@pytest.mark.engine_neutral
def test_a_frozen_database_is_told_by_every_page(
    postgres_server: Callable[..., PostgresServer], valkey_server: Callable[..., ValkeyServer], tmp_path
):
    database = postgres_server()
    env = {
        "DATABASE_URL": database.url(),
        "REDIS_URL": valkey_server().url,
        "METRICS_TOKEN": TOKEN,
        "KYROS_DATA_DIR": str(tmp_path),
    }
    server = WebServer(tmp_path / "web.log", env, workers=1)
    client = HttpClient(server.url, {"Authorization": f"Bearer {TOKEN}"})
    processes: list[psutil.Process] = []
    try:
        # A database that is empty: nothing is migrated, and the pages say so.
        assert client.get("/readyz").json()["reason"].startswith("migrations are not applied")
        assert client.get("/metrics").status == 200

        processes = [psutil.Process(database.pid), *psutil.Process(database.pid).children(recursive=True)]
        for process in processes:
            process.suspend()
        assert client.get("/readyz").json()["reason"] == "the database does not answer"
        told = wait_until(lambda: (found := metrics(client))["kyros_db_up"] == 0 and found)
        assert told["kyros_cache_up"] == 1
    finally:
        for process in processes:
            process.resume()
        server.close()
