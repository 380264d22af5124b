"""Positions in the stream of PostgreSQL: each committed event once, whatever commits when."""

from collections import defaultdict
from contextlib import ExitStack

import psycopg
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.db.ids import new_id
from orchestrator.stream import postgresql
from orchestrator.stream.feeds import InvalidPosition
from orchestrator.stream.postgresql import PostgresFeed, PostgresPosition
from orchestrator.stream.transaction_snapshots import Snapshot

pytestmark = pytest.mark.postgres

WRITERS = 4


@pytest.fixture
def small_pages(monkeypatch):
    """Pages of three events, so that a transaction's events are on several."""
    monkeypatch.setattr(postgresql, "PAGE_EVENTS", 3)
    postgresql._page_sql.cache_clear()  # noqa: SLF001
    yield
    postgresql._page_sql.cache_clear()  # noqa: SLF001


class Writers:
    """Transactions that are open at the same time."""

    def __init__(self, url, closing):
        self._connections = [closing.enter_context(psycopg.connect(url)) for _ in range(WRITERS)]
        self._open = defaultdict(list)
        self.committed = []

    def add(self, writer):
        event_id = new_id()
        self._connections[writer].execute("INSERT INTO events (id, type) VALUES (%s, 'x')", [event_id])
        self._open[writer].append(event_id)

    def commit(self, writer):
        self._connections[writer].commit()
        self.committed += self._open.pop(writer, [])

    def rollback(self, writer):
        self._connections[writer].rollback()
        self._open.pop(writer, None)


class Reader:
    """A client that reads pages and may resume after any event it got."""

    def __init__(self, feed):
        self._feed = feed
        self.position = feed.now()
        self.got = []

    def read(self, kept=None, until=None):
        """Read a page; keep some of its events only, as if the connection broke then."""
        page = self._feed.read(self.position, until)
        events = page.events[:kept]
        self.got += [event.id for event in events]
        if len(events) == len(page.events):
            self.position = page.position
        elif events:
            self.position = self._feed.parse(event_id_of(events[-1]))
        return page.complete and len(events) == len(page.events)

    def read_all(self, until=None):
        while not self.read(until=until):
            """Read on."""


def event_id_of(event):
    return event.message.decode().splitlines()[0].removeprefix("id: ")


def test_transactions_are_in_numeric_order(transactional_db):
    with connection.cursor() as cursor:
        for number in (100, 99, 101, 9):
            cursor.execute(
                "INSERT INTO events (id, type, transaction) VALUES (%s, 'x', %s::text::xid8)",
                [new_id(), number],
            )
    after = PostgresPosition(Snapshot(10, missing=(9,)))
    page = PostgresFeed().read(after)
    ids = [event_id_of(event).partition(":")[2] for event in page.events]
    assert ids == ["9:10:9", "99:99:", "100:100:", "101:101:"]


steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["add", "add", "commit", "rollback"]), st.integers(0, WRITERS - 1)),
        st.tuples(st.just("read"), st.integers(0, 3)),
        st.tuples(st.just("join"), st.integers(0, 3)),
    ),
    min_size=20,
    max_size=60,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_each_committed_event_is_read_once(transactional_db, database_url, small_pages, steps):
    feed = PostgresFeed()
    with ExitStack() as closing:
        writers, reader = Writers(database_url, closing), Reader(feed)
        for step, number in steps:
            if step == "read":
                reader.read(kept=number)
            elif step == "join":
                # As a resuming client: read up to the position of the hub, then go on from there.
                hub, newer = feed.now(), number % WRITERS
                writers.add(newer)
                writers.commit(newer)
                if reader.read(kept=number, until=hub):
                    reader.position = hub
            else:
                getattr(writers, step)(number)
        for writer in range(WRITERS):
            writers.commit(writer)
        reader.read_all()
        assert sorted(reader.got) == sorted(writers.committed)


def test_a_long_transaction_holds_up_nobody_and_is_not_skipped(transactional_db, database_url):
    feed = PostgresFeed()
    with ExitStack() as closing:
        writers, reader = Writers(database_url, closing), Reader(feed)
        writers.add(0)
        writers.add(1)
        writers.commit(1)
        reader.read_all()
        assert reader.got == writers.committed
        writers.commit(0)
        reader.read_all()
        assert reader.got == writers.committed


def test_the_events_of_a_transaction_come_in_their_order(transactional_db, database_url, small_pages):
    with ExitStack() as closing:
        writers, reader = Writers(database_url, closing), Reader(PostgresFeed())
        for _ in range(10):
            writers.add(0)
        writers.commit(0)
        reader.read_all()
        assert reader.got == writers.committed


def test_the_id_of_an_event_is_a_position_too(transactional_db, database_url):
    feed = PostgresFeed()
    with ExitStack() as closing:
        writers, reader = Writers(database_url, closing), Reader(feed)
        for writer in range(3):
            writers.add(writer)
            writers.commit(writer)
        reader.position = feed.parse(str(writers.committed[0]))
        reader.read_all()
        assert reader.got == writers.committed[1:]


def test_what_is_no_position_is_refused(transactional_db, database_url):
    feed = PostgresFeed()
    some = new_id()
    now = feed.now().delivered.end
    for text in (
        "banana", "0" * 40_000, str(some), f"{some}:1:1", f"{some}:2:1:", f"{some}:1:5:", f"{some}:1:1:3",
        f"{some}:1:9:1,1", f"{some}:1:9:{'9' * 9000}", f"{some}:{now + 1000}:{now + 1000}:",
    ):  # fmt: skip
        with pytest.raises(InvalidPosition):
            feed.parse(text)


def test_rows_of_another_server_are_not_delivered(transactional_db, database_url):
    feed = PostgresFeed()
    with psycopg.connect(database_url, autocommit=True) as other:
        insert = "INSERT INTO events (id, type, transaction) VALUES (%s, 'x', %s::text::xid8)"
        other.execute(insert, [new_id(), str(feed.now().delivered.end + 10**9)])
        reader = Reader(feed)
        assert other.execute("SELECT count(transaction) FROM events").fetchone() == (0,)
        # A position from before a restore to an older state: the stream goes on from now.
        reader.position = PostgresPosition(Snapshot(feed.now().delivered.end + 10**9))
        reader.read_all()
        other.execute("INSERT INTO events (id, type) VALUES (%s, 'x')", [new_id()])
        reader.read_all()
        assert len(reader.got) == 1
