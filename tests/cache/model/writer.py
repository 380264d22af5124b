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
    yield from deaths(state, number)


def deaths(state: State, number: int) -> Iterator[tuple[str, State]]:
    """Yield its death. Its COMMIT may still take effect, at any time; a committed write must be seen."""
    at = state.writers[number].at
    if at in (WriterStep.BEGUN, WriterStep.UNANNOUNCED):
        sent = WriterStep.SENT if at == WriterStep.BEGUN else WriterStep.SENT_UNANNOUNCED
        yield f"writer {number} dies, rolled back", move(state, number, WriterStep.OVER)
        yield f"writer {number} dies in its COMMIT", move(state, number, sent)
    elif at == WriterStep.COMMITTED:
        yield f"writer {number} dies", acknowledge(state, number)


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


def land(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Let the COMMIT of a dead writer take effect."""
    yield "COMMIT takes effect", acknowledge(commit(state, number, rules), number)
    yield "ROLLBACK", move(state, number, WriterStep.OVER)


def land_unannounced(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Let the COMMIT of a dead writer take effect that could not announce its change."""
    for label, after in commit_unannounced(state, number, world, rules):
        yield f"{label} takes effect", after
    yield "ROLLBACK", move(state, number, WriterStep.OVER)


def commit(state: State, number: int, rules: Rules) -> State:
    """Commit an announced write."""
    outbox = state.outbox if rules.takes_others_rows == Take.NEVER else 0
    return state._replace(data=state.data | 1 << number, outbox=outbox)


def commit_unannounced(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Commit a write with its rows in the outbox; wait until the row was drained or every lease has ended."""
    outbox = 0 if rules.takes_others_rows == Take.ALWAYS else state.outbox
    committed = state._replace(data=state.data | 1 << number, outbox=outbox | 1 << number)
    if not rules.waits_for_lease:
        yield "COMMIT with outbox", acknowledge(committed, number)
    else:
        yield "COMMIT with outbox", move(committed, number, WriterStep.WAITING, wait=rules.lease)


def finish(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """End the write, and acknowledge it: the end may be still on its way, or lost.

    The writer does not wait for a reply, so to it a lost end, a late one and one in time are the same.
    """
    for label, after, _ in called(state, number, world, LateCall.END, rules):
        yield f"{label}, acknowledges", acknowledge(after, number)


def poll(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Acknowledge before the wait is over. (The end of the wait is in ``protocol.tick``.)"""
    if not state.outbox & 1 << number:
        after = move(acknowledge(state, number), number, WriterStep.OVER, wait=0)
        yield "sees its row gone, acknowledges", after
    elif rules.waited_out_row_suffices and waited_out(state):
        yield "sees a row that was waited out, acknowledges", acknowledge(state, number)


def waited_out(state: State) -> bool:
    """Return whether the outbox has a row whose writer has waited until every lease had ended."""
    return any(
        state.outbox & 1 << number and writer.at == WriterStep.OVER
        for number, writer in enumerate(state.writers)
    )


STEPS = {
    WriterStep.NEW: start,
    WriterStep.BEGUN: decide,
    WriterStep.UNANNOUNCED: commit_unannounced,
    WriterStep.SENT: land,
    WriterStep.SENT_UNANNOUNCED: land_unannounced,
    WriterStep.COMMITTED: finish,
    WriterStep.WAITING: poll,
}
