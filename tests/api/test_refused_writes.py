"""Writes for which the database's disk has no space: 503 with the reason, and reads go on."""

import pytest
from django.db import connection
from rest_framework.test import APIClient

from orchestrator.models import Job

JOBS = "/api/v1/jobs/"


def assert_refused(client: APIClient) -> None:
    response = client.post(JOBS, {"name": "no space", "metadata": {"text": "x" * 60_000}})
    assert response.status_code == 503, response.content
    assert "disk is full" in response.json()["detail"]
    assert response["Retry-After"] == "1"
    assert client.get(JOBS).json()["results"] == []


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_sqlite_has_no_space(as_user: APIClient):
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # no free page is left
        (most,) = cursor.execute("PRAGMA max_page_count").fetchone()
        (pages,) = cursor.execute("PRAGMA page_count").fetchone()
        cursor.execute(f"PRAGMA max_page_count = {pages}")
        try:
            assert_refused(as_user)
        finally:
            cursor.execute(f"PRAGMA max_page_count = {most}")
    assert as_user.post(JOBS, {"name": "space"}).status_code == 201


@pytest.mark.postgres
@pytest.mark.django_db
def test_postgresql_has_no_space(as_user: APIClient):
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION fill_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE disk_full; END $$"
        )
        table = connection.ops.quote_name(Job._meta.db_table)
        cursor.execute(f"CREATE TRIGGER fill BEFORE INSERT ON {table} EXECUTE FUNCTION fill_disk()")
    assert_refused(as_user)
