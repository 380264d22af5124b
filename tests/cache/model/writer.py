"""The steps of a writer."""

from collections.abc import Iterator

from tests.cache.model import cache_server
from tests.cache.model.cache_server import replaced
from tests.cache.model.rules import Rules, Take, World
from tests.cache.model.state import LateCall, State, WriterStep


def move(state: State, number: int, at: WriterStep, **changes: object) -> State:
    """Return the state with the writer at another step."""
    writer = state.writers[number]._replace(at=at, **changes)
    return state._replace(writers=replaced(state.writers, number, writer))


def acknowledge(state: State, number: int) -> State:
    """Acknowledge the write: from now on every read must see it."""
    return move(state, number, WriterStep.OVER)._replace(due=state.due | 1 << number)


def steps(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield the next steps."""
    at = state.writers[number].at
    if at != WriterStep.OVER:
        for label, following in STEPS[at](state, number, world, rules):
            yield f"writer {number}: {label}", following
    if at not in (WriterStep.NEW, WriterStep.SENT, WriterStep.OVER):
        yield f"writer {number} dies", die(state, number, rules)


def die(state: State, number: int, rules: Rules) -> State:
    """Die. A committed write must be seen nevertheless, unless the server had lost its *begin*.

    In that case the write was not acknowledged, and the server does not know of it. A row in the outbox is
    drained in time. A writer that stalls before it dies is the same as one that dies at once.
    """
    bit, at = 1 << number, state.writers[number].at
    known = state.server.in_flight & bit or not rules.begins or rules.renews_at_begin
    must_be_seen = at in (WriterStep.COMMITTED, WriterStep.UNENDED) and known
    return move(state, number, WriterStep.OVER)._replace(due=state.due | bit if must_be_seen else state.due)


def called(
    state: State, number: int, world: World, call: LateCall, rules: Rules
) -> Iterator[tuple[str, State, bool]]:
    """Yield the possible outcomes of a call: a label, the state after it, and whether it succeeded."""
    script = cache_server.begin if call == LateCall.BEGIN else cache_server.end
    name = script.__name__
    late = state._replace(
        writers=replaced(state.writers, number, state.writers[number]._replace(late_call=call))
    )
    if not state.frozen:
        yield name, script(state, 1 << number, rules), True
    if state.frozen or number < world.cut_off:
        yield f"{name} lost", state, False
        if world.late:
            yield f"{name} sent, no reply", late, False
            if not state.frozen:
                yield f"{name} executed, no reply", script(state, 1 << number, rules), False


def start(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Begin."""
    for label, after, succeeded in called(state, number, world, LateCall.BEGIN, rules):
        yield label, move(after, number, WriterStep.BEGUN if succeeded else WriterStep.UNANNOUNCED)


def decide(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Commit or roll back, after a begin."""
    yield "COMMIT", move(commit(state, number, rules), number, WriterStep.COMMITTED)
    for label, after, _ in called(state, number, world, LateCall.END, rules):
        yield f"ROLLBACK, {label}", move(after, number, WriterStep.OVER)
    if world.unsure:
        after = state if rules.no_end_if_unsure else cache_server.end(state, 1 << number, rules)
        yield "COMMIT sent, connection lost", move(after, number, WriterStep.SENT)


def land(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Let a COMMIT take effect whose writer does not wait for it any more."""
    known = state.server.in_flight & 1 << number or not rules.no_end_if_unsure
    after = move(commit(state, number, rules), number, WriterStep.OVER)
    yield "COMMIT takes effect", after._replace(due=after.due | 1 << number) if known else after


def commit(state: State, number: int, rules: Rules) -> State:
    """Commit an announced write."""
    outbox = state.outbox if rules.takes_others_rows == Take.NEVER else 0
    return state._replace(data=state.data | 1 << number, outbox=outbox)


def commit_unannounced(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Commit a write with its rows in the outbox."""
    outbox = 0 if rules.takes_others_rows == Take.ALWAYS else state.outbox
    committed = state._replace(data=state.data | 1 << number, outbox=outbox)
    yield "COMMIT with outbox", wait(committed, number, rules)


def wait(state: State, number: int, rules: Rules) -> State:
    """Append to the outbox, and wait until the row was drained or every lease has expired."""
    state = state._replace(outbox=state.outbox | 1 << number)
    if not rules.waits_for_lease:
        return acknowledge(state, number)
    return move(state, number, WriterStep.WAITING, wait=rules.lease)


def finish(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """End the write, and acknowledge it."""
    for label, after, succeeded in called(state, number, world, LateCall.END, rules):
        if succeeded:
            yield f"{label}, acknowledges", acknowledge(after, number)
        elif rules.unended_goes_to_outbox:
            yield label, move(after, number, WriterStep.UNENDED)
        else:
            yield f"{label}, acknowledges", acknowledge(after, number)


def append(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Append to the outbox after an end that failed."""
    yield "outbox", wait(state, number, rules)


def poll(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Acknowledge before the wait is over. (The end of the wait is in ``protocol.tick``.)"""
    if not state.outbox & 1 << number:
        yield (
            "sees its row gone, acknowledges",
            move(acknowledge(state, number), number, WriterStep.OVER, wait=0),
        )
    elif rules.waited_out_row_suffices and any(
        state.outbox & 1 << other and writer.at == WriterStep.OVER and not writer.wait
        for other, writer in enumerate(state.writers)
    ):
        yield "sees a row that was waited out, acknowledges", acknowledge(state, number)


STEPS = {
    WriterStep.NEW: start,
    WriterStep.BEGUN: decide,
    WriterStep.UNANNOUNCED: commit_unannounced,
    WriterStep.SENT: land,
    WriterStep.COMMITTED: finish,
    WriterStep.UNENDED: append,
    WriterStep.WAITING: poll,
}
