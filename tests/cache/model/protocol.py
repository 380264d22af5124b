"""All steps of all processes."""

from collections.abc import Callable, Iterator
from functools import partial

from tests.cache.model import ack, cache_server, process, reader, writer
from tests.cache.model.explorer import Exploration, explore
from tests.cache.model.rules import Rules, World
from tests.cache.model.state import AckStep, State, WriterStep, is_stale, normal_form

ALL_RULES = Rules()


def successors(state: State, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield every step that is possible in a state."""
    for number in range(world.writers):
        yield from writer.steps(state, number, world, rules)
    for number in range(world.readers):
        yield from reader.steps(state, number, world, rules)
    for number in range(world.processes):
        yield from process.steps(state, number, world, rules)
    for number in range(world.acks):
        yield from ack.steps(state, number, rules)
    yield from cache_server.events(state, world, rules)
    if world.processes:
        yield "time passes", tick(state, rules)


def tick(state: State, rules: Rules) -> State:
    """Let one tick pass. A write whose wait ends must be seen from then on, even if its writer is dead."""
    due = state.due
    for number, waiting in enumerate(state.writers):
        if waiting.wait == 1:
            due |= 1 << number
    for waiting_ack in state.acks:
        if waiting_ack.wait == 1:
            due |= waiting_ack.seen
    server, snapshot = state.server, state.snapshot
    return state._replace(
        writers=tuple(
            w._replace(wait=w.wait - 1, at=WriterStep.OVER if w.wait == 1 else w.at) if w.wait else w
            for w in state.writers
        ),
        processes=tuple(
            p._replace(lease=max(0, p.lease - 1), age=min(p.age + 1, rules.lease) if p.at else 0)
            for p in state.processes
        ),
        acks=tuple(
            a if a.at != AckStep.WAITING else a._replace(wait=a.wait - 1) if a.wait > 1 else type(a)()
            for a in state.acks
        ),
        server=server._replace(lease=server.lease - 1) if server.lease and not state.paused else server,
        snapshot=snapshot._replace(lease=snapshot.lease - 1) if snapshot and snapshot.lease else snapshot,
        due=due,
    )


def prove(world: World, rules: Rules = ALL_RULES) -> Exploration:
    """Visit all states, treating processes of a kind as interchangeable."""
    if world.cut_off not in (0, world.writers):
        raise ValueError("writers are interchangeable only if all or none are cut off")
    if not (rules.random_tokens and rules.reads_version_before_query):
        raise ValueError("the normal form needs random tokens, and versions that are read before the query")
    return explore(world.initial(), partial(successors, world=world, rules=rules), is_stale, normal_form)


def find(condition: Callable[[State], bool], world: World, rules: Rules = ALL_RULES) -> Exploration:
    """Return the shortest path to a state that meets the condition; processes keep their numbers in it."""
    return explore(world.initial(), partial(successors, world=world, rules=rules), condition)
