"""The steps of a reader. A HIT changes nothing, nor does a response that is not stored."""

from collections.abc import Iterator

from tests.cache.model import cache_server
from tests.cache.model.cache_server import replaced, serve
from tests.cache.model.rules import Rules, World
from tests.cache.model.state import MISSING, Entry, Reader, ReaderStep, State, served


def move(state: State, number: int, reader: Reader) -> State:
    """Return the state with the reader replaced."""
    return state._replace(readers=replaced(state.readers, number, reader))


def steps(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield the next steps; while the server is frozen, only those without a call."""
    reader = state.readers[number]
    if reader.at == ReaderStep.CLAIMED or (
        reader.at == ReaderStep.IDLE and not rules.reads_version_before_query
    ):
        yield f"reader {number} queries the database", move(state, number, queried(state, reader))
    elif not state.frozen:
        yield from STEPS[reader.at](state, number, rules)
    if reader.at != ReaderStep.IDLE:
        yield f"reader {number} dies", move(state, number, Reader())


def queried(state: State, reader: Reader) -> Reader:
    """Return the reader with the database's data."""
    return reader._replace(at=ReaderStep.QUERIED, seen=state.data)


def read(state: State, number: int, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield the claim of a read that is no hit."""
    server = state.server
    if server.knows_script and server.epoch != MISSING and not server.doubt and served(state) is None:
        after = cache_server.create_missing(state, rules)
        epoch, generation = after.server[:2]
        if generation > 0:
            claimed = Reader(ReaderStep.CLAIMED, epoch, generation)
            yield f"reader {number} claims the fill", move(after, number, claimed)


def fill(state: State, number: int, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield the storing of the entry, if its version is still current."""
    reader = state.readers[number]
    if not rules.reads_version_before_query:
        state = cache_server.create_missing(state, rules)
        reader = reader._replace(epoch=state.server.epoch, generation=state.server.generation)
    if reader[1:3] == state.server[:2] and reader.generation > 0:
        state = serve(state, entry=Entry(*reader[1:]))
    yield f"reader {number} fills", move(state, number, Reader())


STEPS = {ReaderStep.IDLE: read, ReaderStep.QUERIED: fill}
