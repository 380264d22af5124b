"""Bodies use limited memory."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from kyros.web_server.request_body import MAX_LARGE_BODIES, REFUSAL, SMALL_BODY_BYTES, BodyReader

pytestmark = pytest.mark.engine_neutral


class Sender:
    """A client that sends `size` bytes in two parts."""

    def __init__(self, size: int) -> None:
        self.parts = [b"x" * (size - 1), b"x"]
        self.began = asyncio.Event()

    async def receive(self):
        self.began.set()
        return {"type": "http.request", "body": self.parts.pop(0), "more_body": bool(self.parts)}

    async def send(self, message):
        raise NotImplementedError


def test_large_bodies_wait_for_one_another_and_small_ones_do_not():
    async def run():
        reader = BodyReader(timeout=30, max_bytes=1024 * 1024)
        stacks = [AsyncExitStack() for _ in range(MAX_LARGE_BODIES)]
        for stack in stacks:
            await reader.read(Sender(SMALL_BODY_BYTES + 2), {}, stack, reader.deadline())
        waiting, environ = Sender(SMALL_BODY_BYTES + 2), {}
        async with AsyncExitStack() as held:
            task = asyncio.create_task(reader.read(waiting, environ, held, reader.deadline()))
            await waiting.began.wait()
            small = {}
            await reader.read(Sender(SMALL_BODY_BYTES), small, held, reader.deadline())
            assert small["CONTENT_LENGTH"] == str(SMALL_BODY_BYTES)
            assert waiting.parts == [b"x"]
            await stacks[0].aclose()
            await task
        assert environ["CONTENT_LENGTH"] == str(SMALL_BODY_BYTES + 2)
        assert environ["wsgi.input"].read() == b"x" * (SMALL_BODY_BYTES + 2)

    asyncio.run(run())


def test_waiting_for_other_large_bodies_counts_as_time_of_the_body():
    async def run():
        reader, held, environ = BodyReader(timeout=0.01, max_bytes=1024 * 1024), AsyncExitStack(), {}
        for _ in range(MAX_LARGE_BODIES):
            await reader.read(Sender(SMALL_BODY_BYTES + 2), {}, held, reader.deadline())
        await reader.read(Sender(SMALL_BODY_BYTES + 2), environ, held, reader.deadline())
        assert environ[REFUSAL].status == 408
        assert environ["wsgi.input"].read() == b""

    asyncio.run(run())


def test_the_first_part_leaves_no_more_time_for_the_rest():
    """The first part of a small body is received before the reader is called."""

    class Silent(Sender):
        async def receive(self):
            await asyncio.Event().wait()

    async def run():
        reader, environ = BodyReader(timeout=300, max_bytes=1024), {"CONTENT_LENGTH": "2"}
        first = {"type": "http.request", "body": b"x", "more_body": True}
        async with asyncio.timeout(30):
            await reader.read(Silent(2), environ, AsyncExitStack(), time.monotonic(), first)
        assert environ[REFUSAL].status == 408

    asyncio.run(run())
