"""All steps of all parts."""

from collections.abc import Callable, Iterator
from functools import partial

from tests.cache.model import cache_server, reader, relay, writer
from tests.cache.model.explorer import Exploration, explore
from tests.cache.model.rules import Rules, World
from tests.cache.model.state import State, W, is_stale, normal_form

RIGHT = Rules()


def successors(state: State, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield every step that anybody may take in this state."""
    for number in range(world.writers):
        yield from writer.steps(state, number, world, rules)
    for number in range(world.readers):
        yield from reader.steps(state, number, world, rules)
    for number in range(world.keepers):
        yield from relay.steps(state, number, world, rules)
    yield from cache_server.events(state, world, rules)
    if world.keepers:
        yield "time passes", tick(state, rules)


def tick(state: State, rules: Rules) -> State:
    """Let one tick pass. A write whose wait ends by it is due, its writer alive or not."""
    due = state.due
    for number, waiting in enumerate(state.writers):
        if waiting.wait == 1:
            due |= 1 << number
    cache, snapshot = state.server, state.snapshot
    return state._replace(
        writers=tuple(
            w._replace(wait=w.wait - 1, at=W.OVER if w.wait == 1 else w.at) if w.wait else w
            for w in state.writers
        ),
        keepers=tuple(k._replace(age=min(k.age + 1, rules.lease)) if k.at else k for k in state.keepers),
        server=cache._replace(lease=cache.lease - 1) if cache.lease else cache,
        snapshot=snapshot._replace(lease=snapshot.lease - 1) if snapshot and snapshot.lease else snapshot,
        due=due,
    )


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
