"""All steps of all parts."""

from collections.abc import Callable, Iterator
from functools import partial

from tests.cache.model import keeper, reader, server, writer
from tests.cache.model.explorer import Exploration, explore
from tests.cache.model.rules import Rules, World
from tests.cache.model.state import State, W, Writer, is_stale, normal_form

RIGHT = Rules()


def successors(state: State, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield every step that anybody may take in this state."""
    for number in range(world.writers):
        yield from writer.steps(state, number, world, rules)
    for number in range(world.readers):
        yield from reader.steps(state, number, world, rules)
    for number in range(world.keepers):
        yield from keeper.steps(state, number, world, rules)
    yield from server.events(state, world, rules)
    if world.silences:
        yield from silences(state, rules)
    if world.keepers:
        yield "time passes", tick(state, rules)


def silences(state: State, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield the database's falling silent, and its speaking again, which answers whoever waits."""
    if not state.silent:
        yield "the database falls silent", state._replace(silent=True)
        return
    waiting = not rules.answers_all_or_nobody
    keepers = tuple(keeper._replace(waiting=keeper.waiting and waiting) for keeper in state.keepers)
    yield "the database speaks again", state._replace(silent=False, keepers=keepers)


def tick(state: State, rules: Rules) -> State:
    """Let one tick pass. A write whose wait ends by it is due, its writer alive or not.

    While the database is silent no wait ends: the writer asks it whether the row is still there.
    """
    due = state.due
    for number, waiting in enumerate(state.writers):
        if is_waiting(waiting) and waiting.wait <= 1 and not state.silent:
            due |= 1 << number
    cache, snapshot = state.server, state.snapshot
    return state._replace(
        writers=tuple(waited(w, held=state.silent) if is_waiting(w) else w for w in state.writers),
        keepers=tuple(
            k._replace(
                age=min(k.age + 1, rules.lease) if k.at else 0,
                drained=max(k.drained - 1, 0),
                waiting=k.waiting and (state.silent or not rules.answers_all_or_nobody),
            )
            for k in state.keepers
        ),
        server=cache._replace(lease=max(cache.lease - 1, 0), word=False),
        snapshot=snapshot and snapshot._replace(lease=max(snapshot.lease - 1, 0), word=False),
        due=due,
        vouched=0,
    )


def is_waiting(writer: Writer) -> bool:
    """Tell whether a write waits for its end: also one whose writer died meanwhile."""
    return writer.at == W.WAITING or writer.wait > 0


def waited(writer: Writer, *, held: bool) -> Writer:
    """Return a writer that waits, a tick later."""
    if writer.wait > 1:
        return writer._replace(wait=writer.wait - 1)
    if held:
        return writer if writer.at == W.OVER else writer._replace(wait=0)
    return writer._replace(wait=0, at=W.OVER)


def prove(world: World, rules: Rules = RIGHT) -> Exploration:
    """Visit all states, processes of a kind being interchangeable."""
    if world.cut_off not in (0, world.writers):
        raise ValueError("one who is cut off is not like the others")
    if not (rules.random_tokens and rules.stamps_before_query):
        raise ValueError("the normal form forgets what only random tokens, read before the query, make void")
    return explore(world.initial(), partial(successors, world=world, rules=rules), is_stale, normal_form)


def find(condition: Callable[[State], bool], world: World, rules: Rules = RIGHT) -> Exploration:
    """Look for the shortest way to a state, everybody keeping his number so that it can be followed."""
    return explore(world.initial(), partial(successors, world=world, rules=rules), condition)
