"""What a reader does. A HIT changes nothing, nor does an answer from the database that is not stored."""

from collections.abc import Iterator

from tests.cache.model import cache_server
from tests.cache.model.cache_server import replaced, serve
from tests.cache.model.rules import Rules, World
from tests.cache.model.state import Entry, R, Reader, State, fresh, served


def move(state: State, number: int, reader: Reader) -> State:
    """Return the state with the reader replaced."""
    return state._replace(readers=replaced(state.readers, number, reader))


def steps(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield what the reader may do next; while the server is frozen, only what needs none."""
    reader = state.readers[number]
    if reader.at == R.OPENED or (reader.at == R.IDLE and not rules.stamps_before_query):
        yield f"reader {number} asks the database", move(state, number, queried(state, reader))
    elif not state.frozen:
        yield from STEPS[reader.at](state, number, rules)
    if reader.at != R.IDLE:
        yield f"reader {number} dies", move(state, number, Reader())


def queried(state: State, reader: Reader) -> Reader:
    """Return the reader with the version that the database has."""
    return reader._replace(at=R.QUERIED, seen=state.data)


def read(state: State, number: int, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield a read's first call."""
    if not state.server.knows_script:
        yield from restart_noticed(state, number, rules)
    elif served(state) is None:
        after = cache_server.mint(state, rules)
        epoch, generation = after.server[:2]
        if generation > 0:
            yield f"reader {number} opens", move(after, number, Reader(R.OPENED, epoch, generation))


def restart_noticed(state: State, number: int, rules: Rules) -> Iterator[tuple[str, State]]:
    """Void all that is older, and load the script again."""
    who = f"reader {number}"
    if not rules.new_epoch_on_restart:
        yield f"{who} loads the script", serve(state, knows_script=True)
    elif rules.loads_with_new_epoch:
        yield f"{who} sets an epoch and loads the script", serve(state, epoch=fresh(state), knows_script=True)
    else:
        yield f"{who} sets an epoch", move(serve(state, epoch=fresh(state)), number, Reader(R.LOADING))


def load(state: State, number: int, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield the loading of the script, the epoch having been set before."""
    yield f"reader {number} loads the script", move(serve(state, knows_script=True), number, Reader())


def fill(state: State, number: int, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield the storing of the answer, if the version is still the current one."""
    reader = state.readers[number]
    if not rules.stamps_before_query:
        state = cache_server.mint(state, rules)
        reader = reader._replace(epoch=state.server.epoch, generation=state.server.generation)
    if reader[1:3] == state.server[:2] and reader.generation > 0:
        state = serve(state, entry=Entry(*reader[1:]))
    yield f"reader {number} fills", move(state, number, Reader())


STEPS = {R.IDLE: read, R.LOADING: load, R.QUERIED: fill}
