"""The steps of a relay: of the process, or of a reader that found no lease."""

from collections.abc import Iterator

from tests.cache.model import cache_server
from tests.cache.model.cache_server import replaced, serve
from tests.cache.model.rules import Rules, World
from tests.cache.model.state import Relay, RelayStep, State


def steps(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield the next steps; while the server is frozen, only those without a call."""
    relay = state.relays[number]
    if not state.frozen or relay.at in (RelayStep.CLOCK_READ, RelayStep.RENEWED):
        label, after, following = STEPS[relay.at](state, relay, rules)
        yield (
            f"relay {number} {label}",
            after._replace(relays=replaced(state.relays, number, following)),
        )
    if relay.at != RelayStep.IDLE:
        yield f"relay {number} dies", state._replace(relays=replaced(state.relays, number, Relay()))


def read_clock(state: State, relay: Relay, rules: Rules) -> tuple[str, State, Relay]:
    """Read the server's clock."""
    return "reads the clock", state, Relay(RelayStep.CLOCK_READ)


def read_outbox(state: State, relay: Relay, rules: Rules) -> tuple[str, State, Relay]:
    """Read the outbox."""
    at = RelayStep.OUTBOX_READ if state.outbox else RelayStep.DRAINED
    return "reads the outbox", state, relay._replace(at=at, rows=state.outbox)


def renew(state: State, relay: Relay, rules: Rules) -> tuple[str, State, Relay]:
    """Renew the generations."""
    return "renews", cache_server.renew(state, rules), relay._replace(at=RelayStep.RENEWED)


def delete(state: State, relay: Relay, rules: Rules) -> tuple[str, State, Relay]:
    """Delete the rows, after their tags were renewed."""
    rows = relay.rows if rules.relay_deletes_only_read_rows else state.outbox
    at = RelayStep.CLOCK_READ if rules.relay_reads_until_empty else RelayStep.DRAINED
    return "deletes the rows", state._replace(outbox=state.outbox & ~rows), relay._replace(at=at, rows=0)


def extend(state: State, relay: Relay, rules: Rules) -> tuple[str, State, Relay]:
    """Extend the lease, unless it ends later already."""
    age = relay.age if rules.lease_starts_before_read else 0
    return "extends the lease", serve(state, lease=max(state.server.lease, rules.lease - age)), Relay()


STEPS = {
    RelayStep.IDLE: read_clock,
    RelayStep.CLOCK_READ: read_outbox,
    RelayStep.OUTBOX_READ: renew,
    RelayStep.RENEWED: delete,
    RelayStep.DRAINED: extend,
}
