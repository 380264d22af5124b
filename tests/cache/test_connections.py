"""A reply that is just what was expected is not taken apart, whatever pieces it and others come in."""

import socket
import threading
from collections.abc import Callable, Iterator

import hiredis
import pytest
import redis

from orchestrator.cache import bodies
from orchestrator.cache.bodies import Checked
from orchestrator.cache.connections import AS_EXPECTED, Connections
from orchestrator.cache.questions import Found

COMMAND = hiredis.pack_command(("PING",))
EXPECTED = b"*2\r\n:1\r\n$3\r\nabc\r\n"
PUSH = b">2\r\n$10\r\ninvalidate\r\n$1\r\nx\r\n"

#: Answers each command with the next list of pieces, and returns who may ask.
Answering = Callable[..., Connections]


@pytest.fixture
def answering() -> Iterator[Answering]:
    """A server whose socket keeps pieces apart: what is sent at once is read at once, and nothing with it."""
    open_: list[socket.socket] = []

    def answer(*replies: list[bytes]) -> Connections:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        open_.extend((ours, theirs))

        def serve() -> None:
            for pieces in replies:
                theirs.recv(1024)
                for piece in pieces:
                    theirs.send(piece)

        threading.Thread(target=serve, daemon=True).start()
        return Connections(_Pool(ours))

    yield answer
    for each in open_:
        each.close()


class _Pool:
    """As the library's pool: makes connections, of which only the socket is used."""

    def __init__(self, ours: socket.socket) -> None:
        self._sock = ours

    def make_connection(self) -> "_Pool":
        return self

    def connect(self) -> None:
        """It is connected."""


def test_is_known_at_a_glance(answering: Answering):
    connections = answering([EXPECTED], [EXPECTED], [EXPECTED])

    assert connections.ask(COMMAND, EXPECTED) is AS_EXPECTED
    assert connections.ask(COMMAND) == [1, b"abc"]
    assert connections.ask(COMMAND, EXPECTED) is AS_EXPECTED


@pytest.mark.parametrize("pieces", [[EXPECTED[:9], EXPECTED[9:]], [PUSH, EXPECTED], [PUSH + EXPECTED]])
def test_in_other_pieces_it_is_taken_apart(pieces: list[bytes], answering: Answering):
    connections = answering(pieces, [EXPECTED])

    assert connections.ask(COMMAND, EXPECTED) == [1, b"abc"]
    assert connections.ask(COMMAND, EXPECTED) is AS_EXPECTED


def test_as_a_part_of_another_it_is_none(answering: Answering):
    text = b"x" * 10 + EXPECTED
    connections = answering([b"$%d\r\n" % len(text) + text[:10], EXPECTED, b"\r\n"])

    assert connections.ask(COMMAND, EXPECTED) == text


def test_as_the_rest_of_another_it_is_none(answering: Answering):
    text = b"x" * 10 + EXPECTED[:-2]
    connections = answering([EXPECTED + b">1\r\n$%d\r\n" % len(text) + text[:10]], [EXPECTED, b":7\r\n"])

    assert connections.ask(COMMAND, EXPECTED) == [1, b"abc"]
    assert connections.ask(COMMAND, EXPECTED) == 7


def test_a_refusal_is_one(answering: Answering):
    with pytest.raises(redis.exceptions.NoScriptError):
        answering([b"-NOSCRIPT none\r\n"]).ask(COMMAND, EXPECTED)


def test_nothing_is_expected_unless_all_is_known():
    proof = [b"epoch,generation", b"etag", b"seal"]
    checked = Checked(proof, Found(b"body", "etag"), b"body")

    assert bodies.nothing_new([checked, None]) == b""
    assert bodies.nothing_new([None, None]) == b""
    reader = hiredis.Reader()
    reader.feed(bodies.nothing_new([checked, checked]))
    assert reader.gets() == [1, [b"hit", *proof, b""], [b"hit", *proof, b""]]
