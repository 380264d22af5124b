"""The settings of a SQLite connection."""

import threading

import pytest
from django.db import connection, transaction

pytestmark = [pytest.mark.sqlite]


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 1), ("foreign_keys", 1), ("busy_timeout", 10_000)],
)
@pytest.mark.django_db
def test_connection_has_the_pragmas_of_the_settings(pragma, value):
    with connection.cursor() as cursor:
        assert cursor.execute(f"PRAGMA {pragma}").fetchone()[0] == value


@pytest.mark.django_db(transaction=True)
def test_transaction_takes_the_write_lock_when_it_begins_and_readers_do_not_wait():
    entered, leave, seen = threading.Event(), threading.Event(), []

    def write():
        with transaction.atomic():
            entered.set()
            leave.wait(30)
            seen.append("left")
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    assert entered.wait(30)
    with connection.cursor() as reader:  # outside a transaction: it does not wait
        assert reader.execute("SELECT count(*) FROM users").fetchone() == (0,)
    assert not seen
    threading.Timer(0.2, leave.set).start()
    with transaction.atomic():  # waits until the writer has left
        assert seen == ["left"]
    writer.join()
