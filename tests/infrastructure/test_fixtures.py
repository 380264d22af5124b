"""What conftest promises."""

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


def test_database_is_of_the_engine(engine: str) -> None:
    assert connection.vendor == VENDORS[engine]


@pytest.mark.django_db
def test_database_is_not_in_memory_and_empty(engine: str) -> None:
    assert "memory" not in connection.settings_dict["NAME"]
    assert not Job.objects.exists()


@pytest.mark.parametrize("attempt", range(2))
def test_cache_is_empty_at_the_start(valkey: ValkeyServer, attempt: int) -> None:
    assert valkey.execute("DBSIZE") == 0
    valkey.execute("SET", "left", "behind")


def test_cache_is_that_of_the_settings(valkey: ValkeyServer) -> None:
    assert str(valkey.socket) in str(settings.CACHE_URL)


def test_hashing_is_cheap_and_real(user: User) -> None:
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
def test_client_is_signed_in(request: pytest.FixtureRequest, client: str, role: str) -> None:
    answer = request.getfixturevalue(client).get("/api/v1/users/me/")
    assert answer.json()["role"] == role


def test_client_without_credentials_is_nobody(api: APIClient) -> None:
    assert api.get("/api/v1/users/me/").status_code == 401


def test_web_server_works_on_the_same_database(web: Callable[..., str], user: User) -> None:
    address = urlsplit(web(workers=1))
    client = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    body = json.dumps({"username": user.username, "password": PASSWORD})
    with closing(client):
        client.request("POST", "/auth/login/", body, {"Content-Type": "application/json"})
        assert client.getresponse().status == 200


def test_scratch_database_is_new_and_empty(scratch_database: str) -> None:
    assert connections[scratch_database].introspection.table_names() == []


@pytest.mark.engine_neutral
def test_waiting_ends_with_what_came_or_with_a_failure() -> None:
    answers = iter([0, None, "came"])
    assert wait_until(lambda: next(answers)) == "came"
    with pytest.raises(AssertionError, match="the end did not come within 0 seconds"):
        wait_until(lambda: False, timeout=0, what="the end")
