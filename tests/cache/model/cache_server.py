"""The cache server: its scripts, each one step, and its failures."""

from collections.abc import Iterator

from tests.cache.model.rules import Rules, World
from tests.cache.model.state import IN_FLIGHT, MISSING, CacheServer, LateCall, State, WriterStep, fresh


def serve(state: State, **changes: object) -> State:
    """Return the state with the server changed."""
    return state._replace(server=state.server._replace(**changes))


def new_token(state: State, rules: Rules) -> int:
    """Return a new generation for a tag that has one."""
    if rules.random_tokens:
        return fresh(state)
    entry = state.server.entry
    return (
        max(
            [
                state.server.generation,
                entry.generation if entry else 0,
                *(r.generation for r in state.readers),
            ]
        )
        + 1
    )


def first_token(state: State, rules: Rules) -> int:
    """Return a generation for a tag that has none."""
    return fresh(state) if rules.random_tokens else 1


# --- Scripts ------------------------------------------------------------------------------------------------


def begin(state: State, bit: int, rules: Rules) -> State:
    """Add the writer to the tag's set, and mark the generation."""
    if not rules.begins:
        return state
    if rules.renews_at_begin:
        return serve(state, generation=new_token(state, rules))
    generation = IN_FLIGHT if rules.marks_generation else state.server.generation
    return serve(state, in_flight=state.server.in_flight | bit, generation=generation)


def end(state: State, bit: int, rules: Rules) -> State:
    """Remove the writer from the set; the last writer renews the generation."""
    if not rules.ends:
        return state
    if rules.deletes_at_end:
        return serve(state, entry=None)
    state = serve(state, in_flight=state.server.in_flight & ~bit)
    if state.server.in_flight and rules.last_one_out_renews:
        return state
    return serve(state, generation=new_token(state, rules))


def renew(state: State, rules: Rules) -> State:
    """Give the tag a new generation, unless a writer is in flight: its end or expiry will do so."""
    if state.server.in_flight and rules.relay_spares_in_flight:
        return state
    return serve(state, generation=new_token(state, rules))


def create_missing(state: State, rules: Rules) -> State:
    """Create a missing epoch and a missing generation, the latter only while no writer is in flight."""
    if state.server.epoch == MISSING:
        state = serve(state, epoch=fresh(state))
    if state.server.generation == MISSING and (
        not state.server.in_flight or rules.creates_generation_in_flight
    ):
        state = serve(state, generation=first_token(state, rules))
    return state


# --- Time and failures --------------------------------------------------------------------------------------


def events(state: State, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield the events that no process causes."""
    yield from expiries(state, world)
    if world.freezes:
        yield (
            "the server thaws" if state.frozen else "the server freezes",
            state._replace(frozen=not state.frozen),
        )
    if not state.frozen:
        yield from late_calls(state, rules)
    if world.restores and state.snapshot is None and state.restarts < world.restarts:
        yield "the server takes a snapshot", state._replace(snapshot=state.server)
    if state.restarts < world.restarts:
        yield from restarts(state, world)
    if world.evicts:
        yield from evictions(state)


def expiries(state: State, world: World) -> Iterator[tuple[str, State]]:
    """Yield the expiry of each writer, and of the mark, which expires after all of them."""
    server = state.server
    for number, writer in enumerate(state.writers):
        bit = 1 << number
        if server.in_flight & bit and (world.slow or writer.at == WriterStep.OVER):
            yield f"writer {number} expires", serve(state, in_flight=server.in_flight & ~bit)
    if server.generation == IN_FLIGHT and not server.in_flight:
        yield "the mark expires", serve(state, generation=MISSING)


def late_calls(state: State, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield the late execution of each call that its sender has given up."""
    for number, writer in enumerate(state.writers):
        if writer.late_call != LateCall.NONE:
            script = begin if writer.late_call == LateCall.BEGIN else end
            arrived = state._replace(
                writers=replaced(state.writers, number, writer._replace(late_call=LateCall.NONE))
            )
            yield f"late {script.__name__} of writer {number}", script(arrived, 1 << number, rules)


def restarts(state: State, world: World) -> Iterator[tuple[str, State]]:
    """Yield a restart: empty, or with the snapshot."""
    restarted = state._replace(restarts=state.restarts + 1)
    if not world.restores:
        yield "the server restarts empty", restarted._replace(server=CacheServer())
    elif state.snapshot is not None:
        restored = state.snapshot._replace(knows_script=False)
        last = restarted.restarts == world.restarts
        yield (
            "the server restarts from the snapshot",
            restarted._replace(server=restored, snapshot=None if last else state.snapshot),
        )


def evictions(state: State) -> Iterator[tuple[str, State]]:
    """Yield the loss of each key."""
    server = state.server
    keys = {"epoch": MISSING, "generation": MISSING, "in_flight": 0, "entry": None, "lease": 0}
    for key, nothing in keys.items():
        if getattr(server, key) != nothing:
            yield f"the server evicts {key}", serve(state, **{key: nothing})


def replaced(items: tuple, number: int, item: object) -> tuple:
    """Return the tuple with one item replaced."""
    return (*items[:number], item, *items[number + 1 :])
