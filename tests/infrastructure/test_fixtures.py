"""What conftest promises."""

import pytest
from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.db import connection

from orchestrator.models import Job, User
from tests.people import PASSWORD
from tests.servers.valkey import ValkeyServer

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
