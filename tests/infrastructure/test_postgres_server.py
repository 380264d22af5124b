"""Private PostgreSQL servers for tests."""

from collections.abc import Callable

import psycopg
import pytest

from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.engine_neutral


def test_server_takes_settings_and_recovers_from_a_kill(
    postgres_server: Callable[..., PostgresServer],
) -> None:
    server = postgres_server({"work_mem": "7MB"})
    with server.connect() as connection:
        assert connection.execute("SHOW work_mem").fetchone() == ("7MB",)
        connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
        server.kill()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    server.start()
    with server.connect() as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (1,)
