"""What a relay does, be it the process or a reader that found no lease."""

from collections.abc import Iterator

from tests.cache.model import cache_server
from tests.cache.model.cache_server import replaced, serve
from tests.cache.model.rules import Rules, World
from tests.cache.model.state import K, Relay, State


def steps(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield what the relay may do next; while the server is frozen, only what needs none."""
    relay = state.keepers[number]
    if not state.frozen or relay.at in (K.TIMED, K.RENEWED):
        what, after, following = STEPS[relay.at](state, relay, rules)
        yield (
            f"relay {number} {what}",
            after._replace(keepers=replaced(state.keepers, number, following)),
        )
    if relay.at != K.IDLE:
        yield f"relay {number} dies", state._replace(keepers=replaced(state.keepers, number, Relay()))


def take_time(state: State, relay: Relay, rules: Rules) -> tuple[str, State, Relay]:
    """Take the lower bound of the server's clock."""
    return "asks the time", state, Relay(K.TIMED)


def look(state: State, relay: Relay, rules: Rules) -> tuple[str, State, Relay]:
    """Read the outbox."""
    at = K.LOOKED if state.outbox else K.DRAINED
    return "reads the outbox", state, relay._replace(at=at, rows=state.outbox)


def renew(state: State, relay: Relay, rules: Rules) -> tuple[str, State, Relay]:
    """Renew the generations."""
    return "renews", cache_server.renew(state, rules), relay._replace(at=K.RENEWED)


def delete(state: State, relay: Relay, rules: Rules) -> tuple[str, State, Relay]:
    """Delete the rows, having renewed."""
    rows = relay.rows if rules.keeper_deletes_what_it_read else state.outbox
    at = K.TIMED if rules.keeper_looks_until_empty else K.DRAINED
    return "deletes the rows", state._replace(outbox=state.outbox & ~rows), relay._replace(at=at, rows=0)


def extend(state: State, relay: Relay, rules: Rules) -> tuple[str, State, Relay]:
    """Set the end of the lease, unless it is later already."""
    age = relay.age if rules.lease_from_before_look else 0
    return "extends the lease", serve(state, lease=max(state.server.lease, rules.lease - age)), Relay()


STEPS = {K.IDLE: take_time, K.TIMED: look, K.LOOKED: renew, K.RENEWED: delete, K.DRAINED: extend}
