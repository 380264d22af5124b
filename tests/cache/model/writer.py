"""What a writer does."""

from collections.abc import Iterator

from tests.cache.model import cache_server
from tests.cache.model.cache_server import replaced
from tests.cache.model.rules import Rules, Take, World
from tests.cache.model.state import Call, State, W


def move(state: State, number: int, at: W, **changes: object) -> State:
    """Return the state with the writer at another step."""
    writer = state.writers[number]._replace(at=at, **changes)
    return state._replace(writers=replaced(state.writers, number, writer))


def acknowledge(state: State, number: int) -> State:
    """CachedResponse the client: from now on every read must see the write."""
    return move(state, number, W.OVER)._replace(due=state.due | 1 << number)


def steps(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield what the writer may do next."""
    at = state.writers[number].at
    if at != W.OVER:
        for what, following in STEPS[at](state, number, world, rules):
            yield f"writer {number}: {what}", following
    if at not in (W.NEW, W.SENT, W.OVER):
        yield f"writer {number} dies", die(state, number, rules)


def die(state: State, number: int, rules: Rules) -> State:
    """Leave everything as it is. What it has committed must be seen nevertheless.

    Unless the server had lost its *begin*: nothing tells of that write, which was not acknowledged. Of a row
    in the outbox time takes care. A writer that stalled before it died is the same as one that died at once.
    """
    bit, at = 1 << number, state.writers[number].at
    kept = state.server.in_flight & bit or not rules.begins or rules.renews_at_begin
    must_be_seen = at in (W.COMMITTED, W.UNENDED) and kept
    return move(state, number, W.OVER)._replace(due=state.due | bit if must_be_seen else state.due)


def called(
    state: State, number: int, world: World, call: Call, rules: Rules
) -> Iterator[tuple[str, State, bool]]:
    """Yield the ways that a call may go: in a word, the state after it, and whether it was answered."""
    script = cache_server.begin if call == Call.BEGIN else cache_server.end
    name = script.__name__
    late = state._replace(
        writers=replaced(state.writers, number, state.writers[number]._replace(in_the_air=call))
    )
    if not state.frozen:
        yield name, script(state, 1 << number, rules), True
    if state.frozen or number < world.cut_off:
        yield f"{name} lost", state, False
        if world.late:
            yield f"{name} sent, no answer", late, False
            if not state.frozen:
                yield f"{name} executed, no answer", script(state, 1 << number, rules), False


def start(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Begin."""
    for what, after, answered in called(state, number, world, Call.BEGIN, rules):
        yield what, move(after, number, W.BEGUN if answered else W.ALONE)


def decide(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Commit or roll back, after a begin."""
    yield "COMMIT", move(commit(state, number, rules), number, W.COMMITTED)
    for what, after, _ in called(state, number, world, Call.END, rules):
        yield f"ROLLBACK, {what}", move(after, number, W.OVER)
    if world.unsure:
        after = state if rules.no_end_if_unsure else cache_server.end(state, 1 << number, rules)
        yield "COMMIT sent, connection lost", move(after, number, W.SENT)


def land(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Have the COMMIT take effect that nobody waits for any more."""
    kept = state.server.in_flight & 1 << number or not rules.no_end_if_unsure
    after = move(commit(state, number, rules), number, W.OVER)
    yield "COMMIT takes effect", after._replace(due=after.due | 1 << number) if kept else after


def commit(state: State, number: int, rules: Rules) -> State:
    """Make the write visible, which was announced."""
    outbox = state.outbox if rules.takes_others_rows == Take.NEVER else 0
    return state._replace(data=state.data | 1 << number, outbox=outbox)


def commit_alone(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Make the write visible with its rows in the outbox."""
    outbox = 0 if rules.takes_others_rows == Take.ALWAYS else state.outbox
    committed = state._replace(data=state.data | 1 << number, outbox=outbox)
    yield "COMMIT with outbox", wait(committed, number, rules)


def wait(state: State, number: int, rules: Rules) -> State:
    """Append to the outbox and wait until that must have worked."""
    state = state._replace(outbox=state.outbox | 1 << number)
    if not rules.waits_for_lease:
        return acknowledge(state, number)
    return move(state, number, W.WAITING, wait=rules.lease)


def finish(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """End, and acknowledge."""
    for what, after, answered in called(state, number, world, Call.END, rules):
        if answered:
            yield f"{what}, acknowledges", acknowledge(after, number)
        elif rules.unended_goes_to_outbox:
            yield what, move(after, number, W.UNENDED)
        else:
            yield f"{what}, acknowledges", acknowledge(after, number)


def append(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Tell by the outbox what could not be told by an end."""
    yield "outbox", wait(state, number, rules)


def look(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Acknowledge early. (Once the wait is over the write is due, whoever lives: see ``protocol.tick``.)"""
    if not state.outbox & 1 << number:
        yield "sees its row gone, acknowledges", move(acknowledge(state, number), number, W.OVER, wait=0)
    elif rules.waited_out_row_vouches and any(
        state.outbox & 1 << other and writer.at == W.OVER and not writer.wait
        for other, writer in enumerate(state.writers)
    ):
        yield "sees a row that was waited out, acknowledges", acknowledge(state, number)


STEPS = {
    W.NEW: start,
    W.BEGUN: decide,
    W.ALONE: commit_alone,
    W.SENT: land,
    W.COMMITTED: finish,
    W.UNENDED: append,
    W.WAITING: look,
}
