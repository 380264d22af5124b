"""What a keeper does, be it the process or a reader that found no lease."""

from collections.abc import Iterator

from tests.cache.model import server
from tests.cache.model.rules import Rules, World
from tests.cache.model.server import replaced, serve
from tests.cache.model.state import K, Keeper, State


def steps(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield what the keeper may do next; while the server is frozen, only what needs none."""
    keeper = state.keepers[number]
    if not (state.silent if keeper.at in (K.TIMED, K.RENEWED) else state.frozen):
        what, after, following = STEPS[keeper.at](state, keeper, rules)
        if not world.silences:  # then nobody need know, and there are fewer states
            following = following._replace(drained=0, waiting=False)
        yield (
            f"keeper {number} {what}",
            after._replace(keepers=replaced(state.keepers, number, following)),
        )
    if keeper.waiting and state.silent and not state.frozen:
        yield f"keeper {number} gives its word", serve(state, word=True)._replace(vouched=state.due)
    if keeper.at != K.IDLE:
        yield f"keeper {number} dies", state._replace(keepers=replaced(state.keepers, number, Keeper()))


def take_time(state: State, keeper: Keeper, rules: Rules) -> tuple[str, State, Keeper]:
    """Take the lower bound of the server's clock."""
    return "asks the time", state, asking(keeper, rules)._replace(age=0)


def asking(keeper: Keeper, rules: Rules) -> Keeper:
    """Put the question to the database."""
    return keeper._replace(at=K.TIMED, waiting=bool(keeper.drained) or not rules.word_only_under_lease)


def look(state: State, keeper: Keeper, rules: Rules) -> tuple[str, State, Keeper]:
    """Read the outbox."""
    at = K.LOOKED if state.outbox else K.DRAINED
    return "reads the outbox", state, keeper._replace(at=at, rows=state.outbox, waiting=False)


def renew(state: State, keeper: Keeper, rules: Rules) -> tuple[str, State, Keeper]:
    """Renew the generations."""
    return "renews", server.renew(state, rules), keeper._replace(at=K.RENEWED)


def delete(state: State, keeper: Keeper, rules: Rules) -> tuple[str, State, Keeper]:
    """Delete the rows, having renewed."""
    rows = keeper.rows if rules.keeper_deletes_what_it_read else state.outbox
    keeper = keeper._replace(at=K.DRAINED, rows=0)
    following = asking(keeper, rules) if rules.keeper_looks_until_empty else keeper
    return "deletes the rows", state._replace(outbox=state.outbox & ~rows), following


def extend(state: State, keeper: Keeper, rules: Rules) -> tuple[str, State, Keeper]:
    """Set the end of the lease, unless it is later already."""
    age = keeper.age if rules.lease_from_before_look else 0
    lease = rules.lease - age
    return (
        "extends the lease",
        serve(state, lease=max(state.server.lease, lease)),
        Keeper(drained=rules.lease - keeper.age),
    )


STEPS = {K.IDLE: take_time, K.TIMED: look, K.LOOKED: renew, K.RENEWED: delete, K.DRAINED: extend}
