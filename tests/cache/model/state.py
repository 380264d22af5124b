"""The state of the model. Sets of writers are bit masks: writer ``n`` is the bit ``1 << n``.

The n-th writer's change is the n-th bit of the data, so a version is the set of the writes in it, and writes
need not wait for each other. Durations are what is left of them, in ticks.
"""

from enum import IntEnum
from functools import cache
from itertools import pairwise
from typing import NamedTuple

MISSING = 0  # of a token; real ones are positive
IN_FLIGHT = -1  # the generation "!"


class W(IntEnum):
    """Where a writer is."""

    NEW = 0
    BEGUN = 1
    ALONE = 2  # begin failed: the rows are back in the outbox
    SENT = 3  # its COMMIT is on the way, and it will never know
    COMMITTED = 4
    UNENDED = 5  # end failed
    WAITING = 6
    OVER = 7  # acknowledged, rolled back or dead


class R(IntEnum):
    """Where a reader is."""

    IDLE = 0
    LOADING = 1  # renewed the epoch, has yet to load the script
    OPENED = 2
    QUERIED = 3


class K(IntEnum):
    """Where a relay is."""

    IDLE = 0
    TIMED = 1
    LOOKED = 2
    RENEWED = 3
    DRAINED = 4


class Call(IntEnum):
    """A call whose sender gave up waiting, and which the server may still execute."""

    NONE = 0
    BEGIN = 1
    END = 2


class Writer(NamedTuple):
    """One transaction."""

    at: W = W.NEW
    in_the_air: Call = Call.NONE
    wait: int = 0  # until the outbox's row must have worked


class Reader(NamedTuple):
    """One that fills the entry, with the version and the version it has got so far."""

    at: R = R.IDLE
    epoch: int = MISSING
    generation: int = MISSING
    seen: int = 0


class Relay(NamedTuple):
    """One that drains the outbox, with the age of its ``t`` and the rows it has read."""

    at: K = K.IDLE
    age: int = 0
    rows: int = 0


class Entry(NamedTuple):
    """A cached answer."""

    epoch: int
    generation: int
    seen: int


class RedisCacheClient(NamedTuple):
    """The cache server."""

    epoch: int = MISSING
    generation: int = MISSING
    in_flight: int = 0
    entry: Entry | None = None
    lease: int = 0
    knows_script: bool = False


class State(NamedTuple):
    """Everything."""

    writers: tuple[Writer, ...]
    readers: tuple[Reader, ...]
    keepers: tuple[Relay, ...]
    server: RedisCacheClient
    snapshot: RedisCacheClient | None = None
    frozen: bool = False
    restarts: int = 0  # so far
    data: int = 0  # the writes committed
    outbox: int = 0  # the writers whose rows are in it
    due: int = 0  # the writes that every read must see


def served(state: State) -> Entry | None:
    """Return what a read that starts now gets from the cache."""
    server = state.server
    entry = server.entry
    trusted = server.knows_script and server.lease > 0 and not state.frozen
    return entry if trusted and entry is not None and entry[:2] == server[:2] else None


def is_stale(state: State) -> bool:
    """Tell whether a read that starts now gets an answer without a write that it must see."""
    entry = served(state)
    return entry is not None and bool(state.due & ~entry.seen)


def is_useful(state: State) -> bool:
    """Tell whether a read that starts now gets all that it must see, and not nothing, from the cache."""
    entry = served(state)
    return entry is not None and bool(state.due) and not state.due & ~entry.seen


def fresh(state: State) -> int:
    """Return a token that nobody remembers: as good as a random one, and the states stay finite."""
    used = set(tokens(state))
    token = 1
    while token in used:
        token += 1
    return token


# --- Normal form --------------------------------------------------------------------------------------------


def normal_form(state: State) -> State:
    """Return the state that stands for all that differ in the names of processes and tokens only."""
    return sort_processes(rename_tokens(forget_void_stamps(state)))


def forget_void_stamps(state: State) -> State:
    """Drop what no token, being random, can ever make current again."""
    server, snapshot = state.server, state.snapshot
    alive = {server[:2]}
    if snapshot is not None:
        alive.add(snapshot[:2])
        if snapshot.entry is not None and snapshot.entry[:2] not in alive:
            state = state._replace(snapshot=snapshot._replace(entry=None))
    if server.entry is not None and server.entry[:2] not in alive:
        state = state._replace(server=server._replace(entry=None))
    if any(reader.at >= R.OPENED and reader[1:3] not in alive for reader in state.readers):
        readers = (r if r.at < R.OPENED or r[1:3] in alive else Reader() for r in state.readers)
        state = state._replace(readers=tuple(readers))
    return state


def rename_tokens(state: State) -> State:
    """Number the tokens in the order in which they are met."""
    met = [token for token in dict.fromkeys(tokens(state)) if token not in (MISSING, IN_FLIGHT)]
    numbers = range(1, len(met) + 1)
    if met == list(numbers):
        return state
    names = {MISSING: MISSING, IN_FLIGHT: IN_FLIGHT, **dict(zip(met, numbers, strict=True))}

    def renamed(holder):
        return holder._replace(epoch=names[holder.epoch], generation=names[holder.generation])

    def renamed_server(server):
        return renamed(server)._replace(entry=server.entry and renamed(server.entry))

    return state._replace(
        server=renamed_server(state.server),
        snapshot=state.snapshot and renamed_server(state.snapshot),
        readers=tuple(renamed(reader) for reader in state.readers),
    )


def tokens(state: State) -> list[int]:
    """Return every token that somebody remembers, with repetitions, in a fixed order."""
    server, snapshot = state.server, state.snapshot
    found = list(server[:2] + (server.entry or ())[:2])
    if snapshot is not None:
        found += snapshot[:2] + (snapshot.entry or ())[:2]
    for reader in state.readers:
        found += reader[1:3]
    return found


def sort_processes(state: State) -> State:
    """Order the processes of a kind: which of them is which does not matter."""
    if any(before >= after for before, after in pairwise(state.writers)):
        order = tuple(sorted(range(len(state.writers)), key=lambda n: (state.writers[n], bits(state, n))))
        if order != tuple(sorted(order)):
            state = reordered(state, order)
    readers, keepers = tuple(sorted(state.readers)), tuple(sorted(state.keepers))
    if readers != state.readers or keepers != state.keepers:
        state = state._replace(readers=readers, keepers=keepers)
    return state


def bits(state: State, number: int) -> list[int]:
    """Return in which sets the writer is; in those of readers and keepers, in an order that forgets whose."""
    server, snapshot = state.server, state.snapshot
    masks = [state.data, state.outbox, state.due, server.in_flight, server.entry.seen if server.entry else 0]
    if snapshot is not None:
        masks += [snapshot.in_flight, snapshot.entry.seen if snapshot.entry else 0]
    masks += [reader.seen for reader in sorted(state.readers)]
    masks += [relay.rows for relay in sorted(state.keepers)]
    return [mask >> number & 1 for mask in masks]


def reordered(state: State, order: tuple[int, ...]) -> State:
    """Return the state with its writers, and the masks of them, in another order."""
    moved = moves(order)
    return state._replace(
        writers=tuple(state.writers[number] for number in order),
        readers=tuple(reader._replace(seen=moved[reader.seen]) for reader in state.readers),
        keepers=tuple(relay._replace(rows=moved[relay.rows]) for relay in state.keepers),
        server=reordered_server(state.server, moved),
        snapshot=state.snapshot and reordered_server(state.snapshot, moved),
        data=moved[state.data],
        outbox=moved[state.outbox],
        due=moved[state.due],
    )


def reordered_server(server: RedisCacheClient, moved: tuple[int, ...]) -> RedisCacheClient:
    """Return the server with its masks in the new order of writers."""
    entry = server.entry and server.entry._replace(seen=moved[server.entry.seen])
    return server._replace(in_flight=moved[server.in_flight], entry=entry)


@cache
def moves(order: tuple[int, ...]) -> tuple[int, ...]:
    """Return what each mask becomes when the writers are put in this order."""
    return tuple(
        sum(1 << new for new, old in enumerate(order) if mask >> old & 1) for mask in range(1 << len(order))
    )
