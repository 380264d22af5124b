"""The cache server: its scripts, each one step, and its failures; and the failures of the database."""

from collections.abc import Iterator

from tests.cache.model.rules import Rules, World
from tests.cache.model.state import (
    IN_FLIGHT,
    MISSING,
    Ack,
    CacheServer,
    LateCall,
    State,
    WriterStep,
    fresh,
)


def serve(state: State, **changes: object) -> State:
    """Return the state with the server changed."""
    return state._replace(server=state.server._replace(**changes))


def new_token(state: State, rules: Rules) -> int:
    """Return a new generation for a tag that has one."""
    if rules.random_tokens:
        return fresh(state)
    server = state.server
    used = [server.generation, *(reader.generation for reader in state.readers)]
    return max([*used, server.entry.generation if server.entry else 0]) + 1


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


def invalidate(state: State, rules: Rules) -> State:
    """Give the tag a new generation, unless a writer is in flight: its end will do so."""
    if state.server.in_flight and rules.drain_spares_in_flight:
        return serve(state, generation=IN_FLIGHT)
    return serve(state, generation=new_token(state, rules))


def create_missing(state: State, rules: Rules) -> State:
    """Create a missing generation while no writer is in flight."""
    may_create = not state.server.in_flight or rules.creates_generation_in_flight
    if state.server.generation == MISSING and may_create:
        state = serve(state, generation=first_token(state, rules))
    return state


def void(state: State) -> State:
    """Set a new epoch, unless it is missing or in doubt."""
    return state if state.server.epoch == MISSING or state.server.doubt else serve(state, epoch=fresh(state))


def doubt(state: State, rules: Rules) -> State:
    """Set a new epoch that is in doubt, and load the script."""
    return serve(state, epoch=fresh(state), doubt=rules.doubts_until_over, knows_script=True)


# --- Time and failures --------------------------------------------------------------------------------------


def events(state: State, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield the events that no process causes."""
    if not rules.marks_end_with_transaction:
        yield from expiries(state)
    if world.freezes:
        yield (
            "the server thaws" if state.frozen else "the server freezes",
            state._replace(frozen=not state.frozen),
        )
    if world.pauses:
        yield (
            "the server's clock continues" if state.paused else "the server's clock stops",
            state._replace(paused=not state.paused),
        )
    if not state.frozen:
        yield from late_calls(state, rules)
    if world.restores and state.snapshot is None and state.restarts < world.restarts:
        yield "the server takes a snapshot", state._replace(snapshot=state.server)
    if state.restarts < world.restarts:
        yield from restarts(state, world)
    if world.evicts or world.prunes:
        yield from evictions(state, world)
    if world.prunes and state.outbox and (state.server.epoch == MISSING or not rules.prunes_after_epoch):
        yield "the outbox is pruned", state._replace(outbox=0)
    if world.goes_back and not state.history:
        yield from database_events(state)


def expiries(state: State) -> Iterator[tuple[str, State]]:
    """Yield the expiry of each writer, and of the mark, which expires after all of them."""
    server = state.server
    for number in range(len(state.writers)):
        bit = 1 << number
        if server.in_flight & bit:
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


def evictions(state: State, world: World) -> Iterator[tuple[str, State]]:
    """Yield the loss of each key but the writers in flight, which never expire."""
    server = state.server
    keys = {"epoch": MISSING, "generation": MISSING, "entry": None} if world.evicts else {"epoch": MISSING}
    for key, nothing in keys.items():
        if getattr(server, key) != nothing:
            yield f"the server loses {key}", serve(state, **{key: nothing})


def database_events(state: State) -> Iterator[tuple[str, State]]:
    """Yield a backup of the database, and a restore: it outlasts every lease and ends transactions."""
    if state.backup is None:
        yield "the database is backed up", state._replace(backup=state.data)
        return
    over = tuple(
        writer._replace(at=WriterStep.OVER, wait=0) if writer.at != WriterStep.NEW else writer
        for writer in state.writers
    )
    yield (
        "the database is restored",
        state._replace(
            writers=over,
            processes=tuple(process._replace(lease=0) for process in state.processes),
            acks=(Ack(),) * len(state.acks),
            data=state.backup,
            outbox=0,
            due=state.due & state.backup,
            lost=state.data & ~state.backup,
            history=1,
        ),
    )


def replaced(items: tuple, number: int, item: object) -> tuple:
    """Return the tuple with one item replaced."""
    return (*items[:number], item, *items[number + 1 :])
