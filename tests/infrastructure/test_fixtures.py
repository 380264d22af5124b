"""The fixtures of tests/conftest.py."""

import http.client
import json
from collections.abc import Callable
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.db import connection, connections
from rest_framework.test import APIClient

from orchestrator.models import Job, User
from tests.polling import wait_until
from tests.servers.valkey import ValkeyServer
from tests.users import PASSWORD

VENDORS = {"sqlite": "sqlite", "postgres": "postgresql"}


def test_database_belongs_to_the_engine(engine: str) -> None:
    assert connection.vendor == VENDORS[engine]


@pytest.mark.django_db
def test_database_is_a_file_or_server_and_empty(engine: str) -> None:
    assert "memory" not in connection.settings_dict["NAME"]
    assert not Job.objects.exists()


@pytest.mark.parametrize("attempt", range(2))
def test_cache_is_empty_at_the_start_of_each_test(valkey: ValkeyServer, attempt: int) -> None:
    assert valkey.execute("DBSIZE") == 0
    valkey.execute("SET", "from", "an earlier test")


def test_valkey_fixture_is_the_server_of_the_settings(valkey: ValkeyServer) -> None:
    assert str(valkey.socket) in str(settings.CACHE_URL)


def test_password_hashing_is_cheap_and_real(user: User) -> None:
    assert user.password.startswith("scrypt$2$") or user.password.split("$")[2] == "2"
    assert check_password(PASSWORD, user.password)


@pytest.mark.sqlite
def test_only_on_sqlite(engine: str) -> None:
    assert engine == "sqlite"


@pytest.mark.postgres
@pytest.mark.django_db
def test_only_on_postgres(engine: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        assert cursor.fetchone()[0].startswith("18")


@pytest.mark.parametrize(
    ("client", "role"), [("as_user", "user"), ("as_moderator", "moderator"), ("as_admin", "admin")]
)
def test_client_is_signed_in_with_its_role(request: pytest.FixtureRequest, client: str, role: str) -> None:
    response = request.getfixturevalue(client).get("/api/v1/users/me/")
    assert response.json()["role"] == role


def test_client_without_credentials_is_refused(api: APIClient) -> None:
    assert api.get("/api/v1/users/me/").status_code == 401


# Many tests of tests/cache need this on PostgreSQL.
@pytest.mark.sqlite
def test_web_server_uses_the_same_database(web: Callable[..., str], user: User) -> None:
    url = urlsplit(web(workers=1))
    client = http.client.HTTPConnection(str(url.hostname), url.port, timeout=30)
    body = json.dumps({"username": user.username, "password": PASSWORD})
    with closing(client):
        client.request("POST", "/auth/login/", body, {"Content-Type": "application/json"})
        assert client.getresponse().status == 200


def test_scratch_database_is_new_and_empty(scratch_database: str) -> None:
    assert connections[scratch_database].introspection.table_names() == []


@pytest.mark.engine_neutral
def test_wait_until_returns_the_first_true_result_or_fails() -> None:
    results = iter([0, None, "true"])
    assert wait_until(lambda: next(results)) == "true"
    with pytest.raises(AssertionError, match="no shutdown within 0 seconds"):
        wait_until(lambda: False, timeout=0, what="shutdown")
