"""The steps of a request that acknowledges what it found in the database, whoever wrote it."""

from collections.abc import Iterator

from tests.cache.model import writer
from tests.cache.model.cache_server import replaced
from tests.cache.model.rules import Rules
from tests.cache.model.state import Ack, AckStep, State


def move(state: State, number: int, ack: Ack) -> State:
    """Return the state with the request replaced."""
    return state._replace(acks=replaced(state.acks, number, ack))


def steps(state: State, number: int, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield the next steps. (The end of the wait is in ``protocol.tick``.)"""
    ack = state.acks[number]
    if ack.at == AckStep.IDLE and state.data & ~state.due:
        yield f"request {number} queries the database", move(state, number, Ack(AckStep.SEEN, state.data))
    elif ack.at == AckStep.SEEN and state.outbox and rules.acks_at_barrier:
        waiting = Ack(AckStep.WAITING, ack.seen, state.outbox, rules.lease)
        yield f"request {number} waits", move(state, number, waiting)
    # A write that looks along with its COMMIT acknowledges later than here, which demands less.
    elif ack.at == AckStep.SEEN or (ack.at == AckStep.WAITING and not ack.rows & state.outbox):
        yield f"request {number} acknowledges", acknowledge(state, number)
    elif ack.at == AckStep.WAITING and rules.waited_out_row_suffices and writer.waited_out(state):
        yield f"request {number} sees a row that was waited out, acknowledges", acknowledge(state, number)


def acknowledge(state: State, number: int) -> State:
    """Acknowledge: from now on every read must see what the request saw."""
    return move(state, number, Ack())._replace(due=state.due | state.acks[number].seen)
