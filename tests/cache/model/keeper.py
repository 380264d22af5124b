"""What a keeper does, be it the process or a reader that found no lease."""

from collections.abc import Iterator

from tests.cache.model import server
from tests.cache.model.rules import Rules, World
from tests.cache.model.server import replaced, serve
from tests.cache.model.state import K, Keeper, State


def steps(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield what the keeper may do next; while the server is frozen, only what needs none."""
    keeper = state.keepers[number]
    if not state.frozen or keeper.at in (K.TIMED, K.RENEWED):
        what, after, following = STEPS[keeper.at](state, keeper, rules)
        yield (
            f"keeper {number} {what}",
            after._replace(keepers=replaced(state.keepers, number, following)),
        )
    if keeper.at != K.IDLE:
        yield f"keeper {number} dies", state._replace(keepers=replaced(state.keepers, number, Keeper()))


def take_time(state: State, keeper: Keeper, rules: Rules) -> tuple[str, State, Keeper]:
    """Take the lower bound of the server's clock."""
    return "asks the time", state, Keeper(K.TIMED)


def look(state: State, keeper: Keeper, rules: Rules) -> tuple[str, State, Keeper]:
    """Read the outbox."""
    at = K.LOOKED if state.outbox else K.DRAINED
    return "reads the outbox", state, keeper._replace(at=at, rows=state.outbox)


def renew(state: State, keeper: Keeper, rules: Rules) -> tuple[str, State, Keeper]:
    """Renew the generations."""
    return "renews", server.renew(state, rules), keeper._replace(at=K.RENEWED)


def delete(state: State, keeper: Keeper, rules: Rules) -> tuple[str, State, Keeper]:
    """Delete the rows, having renewed."""
    rows = keeper.rows if rules.keeper_deletes_what_it_read else state.outbox
    at = K.TIMED if rules.keeper_looks_until_empty else K.DRAINED
    return "deletes the rows", state._replace(outbox=state.outbox & ~rows), keeper._replace(at=at, rows=0)


def extend(state: State, keeper: Keeper, rules: Rules) -> tuple[str, State, Keeper]:
    """Set the end of the lease, unless it is later already."""
    age = keeper.age if rules.lease_from_before_look else 0
    return "extends the lease", serve(state, lease=max(state.server.lease, rules.lease - age)), Keeper()


STEPS = {K.IDLE: take_time, K.TIMED: look, K.LOOKED: renew, K.RENEWED: delete, K.DRAINED: extend}
