"""The operator's account and the demo data of the first start."""

import sqlite3
from contextlib import closing

import pytest
from django.contrib.auth.hashers import check_password

pytestmark = pytest.mark.engine_neutral


def rows(data_dir, sql):
    with closing(sqlite3.connect(data_dir / "kyros.sqlite3")) as database:
        return database.execute(sql).fetchall()


def test_operator_gets_a_random_password_that_is_kept_nowhere(service, data_dir):
    started = service().until_ready()
    ((username, role, digest),) = rows(data_dir, "SELECT username, role, password FROM users")
    assert (username, role) == ("admin", "admin")
    assert len(started.password) >= 16
    assert check_password(started.password, digest)
    started.end()
    kept = b"".join(
        file.read_bytes() for file in data_dir.rglob("*") if file.is_file() and "static" not in file.parts
    )
    assert started.password.encode() not in kept


def test_operator_gets_the_chosen_name_and_password_which_is_not_shown(service, data_dir):
    started = service(
        KYROS_ADMIN_USERNAME="ada@example.com", KYROS_ADMIN_PASSWORD="chosen-hunter2"
    ).until_ready()
    assert "  login     ada@example.com" in started.output
    assert "chosen-hunter2" not in started.output
    ((digest,),) = rows(data_dir, "SELECT password FROM users WHERE username = 'ada@example.com'")
    assert check_password("chosen-hunter2", digest)


def test_first_start_makes_demo_data_and_no_later_one_does(service, data_dir):
    service(DEMO_JOBS=30).until_ready().end()
    assert rows(data_dir, "SELECT count(*) FROM jobs") == [(30,)]
    service(DEMO_JOBS=40).until_ready()
    assert rows(data_dir, "SELECT count(*) FROM jobs") == [(30,)]
