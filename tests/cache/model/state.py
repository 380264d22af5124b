"""The state of the model. Sets of writers are bit masks: writer ``n`` is the bit ``1 << n``.

The change of writer ``n`` is bit ``n`` of the data: the data is the set of committed writes, and writes do
not wait for each other. Durations are the remaining ticks.
"""

from enum import IntEnum
from functools import cache
from itertools import pairwise
from typing import NamedTuple

MISSING = 0  # no token; tokens are positive
IN_FLIGHT = -1  # the generation "!"


class WriterStep(IntEnum):
    """The last step of a writer. Its transaction is open until it is committed or over."""

    NEW = 0
    BEGUN = 1
    UNANNOUNCED = 2  # begin failed: the rows are back in the outbox
    SENT = 3  # its COMMIT takes any time; nobody waits for it any more
    SENT_UNANNOUNCED = 4
    COMMITTED = 5
    WAITING = 6
    OVER = 7  # acknowledged, rolled back or dead


class ReaderStep(IntEnum):
    """The last step of a reader."""

    IDLE = 0
    CLAIMED = 1
    QUERIED = 2


class LeaseStep(IntEnum):
    """The last step of a process that renews its lease."""

    IDLE = 0
    STARTED = 1  # has read its clock
    OUTBOX_READ = 2
    RENEWED = 3
    DRAINED = 4


class AckStep(IntEnum):
    """The last step of a request that acknowledges what it found in the database."""

    IDLE = 0
    SEEN = 1
    WAITING = 2


class LateCall(IntEnum):
    """A call that its sender has given up and that the server may still execute."""

    NONE = 0
    BEGIN = 1
    END = 2


class Writer(NamedTuple):
    """One transaction."""

    at: WriterStep = WriterStep.NEW
    late_call: LateCall = LateCall.NONE
    wait: int = 0  # until every lease has ended

    @property
    def is_open(self) -> bool:
        """Return whether the database says that the transaction is in progress."""
        return WriterStep.BEGUN <= self.at <= WriterStep.SENT_UNANNOUNCED


class Reader(NamedTuple):
    """A process that fills the entry, with the version and the data that it has read."""

    at: ReaderStep = ReaderStep.IDLE
    epoch: int = MISSING
    generation: int = MISSING
    seen: int = 0


class Process(NamedTuple):
    """A process with a lease: it looks at the database, drains the outbox and ends doubts."""

    at: LeaseStep = LeaseStep.IDLE
    age: int = 0  # of its clock reading
    rows: int = 0  # that it has read
    lease: int = 0
    history: int = 0  # that it has seen
    met: int = MISSING  # the epoch in doubt that it has met
    since: int = 0  # the transactions that were open then


class Ack(NamedTuple):
    """A request that acknowledges what it has seen, when it has passed the barrier."""

    at: AckStep = AckStep.IDLE
    seen: int = 0
    rows: int = 0
    wait: int = 0


class Entry(NamedTuple):
    """The cached entry."""

    epoch: int
    generation: int
    seen: int


class CacheServer(NamedTuple):
    """The cache server."""

    epoch: int = MISSING
    generation: int = MISSING
    in_flight: int = 0
    entry: Entry | None = None
    doubt: bool = False  # about the epoch
    knows_script: bool = False
    lease: int = 0  # only without the rule that each process has its own


class State(NamedTuple):
    """The state of all processes, the cache server and the database."""

    writers: tuple[Writer, ...]
    readers: tuple[Reader, ...]
    processes: tuple[Process, ...]
    acks: tuple[Ack, ...]
    server: CacheServer
    snapshot: CacheServer | None = None
    frozen: bool = False
    paused: bool = False  # the server's clock
    restarts: int = 0  # so far
    data: int = 0  # the writes committed
    outbox: int = 0  # the writers whose rows it holds
    due: int = 0  # the writes that every read must see
    backup: int | None = None  # the data in the backup
    history: int = 0
    lost: int = 0  # the writes that a restore has undone


def open_writers(state: State) -> int:
    """Return the writers whose transaction is in progress."""
    return sum(1 << number for number, writer in enumerate(state.writers) if writer.is_open)


def served(state: State) -> Entry | None:
    """Return what a read that starts now gets from the cache."""
    server = state.server
    leased = server.lease > 0 or any(process.lease for process in state.processes)
    trusted = leased and server.knows_script and not state.frozen and not server.doubt
    current = trusted and server.entry is not None and server.entry[:2] == server[:2]
    return server.entry if current else None


def is_stale(state: State) -> bool:
    """Return whether a read that starts now misses a write that it must see, or shows one that was undone."""
    entry = served(state)
    return entry is not None and bool(state.due & ~entry.seen or state.lost & entry.seen)


def is_useful(state: State) -> bool:
    """Return whether a read that starts now is a hit that shows a write."""
    entry = served(state)
    return entry is not None and bool(state.due) and not state.due & ~entry.seen


def fresh(state: State) -> int:
    """Return an unused token. It stands for a random one, and keeps the number of states finite."""
    used = set(tokens(state))
    token = 1
    while token in used:
        token += 1
    return token


# --- Normal form --------------------------------------------------------------------------------------------


def normal_form(state: State) -> State:
    """Return the representative of all states that differ only in the names of processes and tokens."""
    return sort_processes(rename_tokens(drop_void_versions(state)))


def drop_void_versions(state: State) -> State:
    """Drop entries and versions whose tokens are gone: a random token never becomes current again."""
    server, snapshot = state.server, state.snapshot
    alive, epochs = {server[:2]}, {server.epoch}
    if snapshot is not None:
        alive.add(snapshot[:2])
        epochs.add(snapshot.epoch)
        if snapshot.entry is not None and snapshot.entry[:2] not in alive:
            state = state._replace(snapshot=snapshot._replace(entry=None))
    if server.entry is not None and server.entry[:2] not in alive:
        state = state._replace(server=server._replace(entry=None))
    if any(reader.at and reader[1:3] not in alive for reader in state.readers):
        readers = (reader if not reader.at or reader[1:3] in alive else Reader() for reader in state.readers)
        state = state._replace(readers=tuple(readers))
    if any(process.met not in epochs for process in state.processes if process.met):
        processes = (p if p.met in epochs else p._replace(met=MISSING, since=0) for p in state.processes)
        state = state._replace(processes=tuple(processes))
    return state


def rename_tokens(state: State) -> State:
    """Number the tokens in order of appearance."""
    found = [token for token in dict.fromkeys(tokens(state)) if token not in (MISSING, IN_FLIGHT)]
    numbers = range(1, len(found) + 1)
    if found == list(numbers):
        return state
    names = {MISSING: MISSING, IN_FLIGHT: IN_FLIGHT, **dict(zip(found, numbers, strict=True))}

    def renamed(holder):
        return holder._replace(epoch=names[holder.epoch], generation=names[holder.generation])

    def renamed_server(server):
        return renamed(server)._replace(entry=server.entry and renamed(server.entry))

    return state._replace(
        server=renamed_server(state.server),
        snapshot=state.snapshot and renamed_server(state.snapshot),
        readers=tuple(renamed(reader) for reader in state.readers),
        processes=tuple(process._replace(met=names[process.met]) for process in state.processes),
    )


def tokens(state: State) -> list[int]:
    """Return every token in the state, with repetitions, in a fixed order."""
    server, snapshot = state.server, state.snapshot
    found = list(server[:2] + (server.entry or ())[:2])
    if snapshot is not None:
        found += snapshot[:2] + (snapshot.entry or ())[:2]
    for reader in state.readers:
        found += reader[1:3]
    found += [process.met for process in state.processes]
    return found


def sort_processes(state: State) -> State:
    """Sort the processes of each kind."""
    if any(before >= after for before, after in pairwise(state.writers)):
        order = tuple(sorted(range(len(state.writers)), key=lambda n: (state.writers[n], bits(state, n))))
        if order != tuple(sorted(order)):
            state = reordered(state, order)
    readers, processes = tuple(sorted(state.readers)), tuple(sorted(state.processes))
    if readers != state.readers or processes != state.processes:
        state = state._replace(readers=readers, processes=processes)
    return state


def bits(state: State, number: int) -> list[int]:
    """Return in which sets the writer is; those of readers and processes are sorted."""
    server, snapshot = state.server, state.snapshot
    masks = [state.data, state.outbox, state.due, state.lost, state.backup or 0]
    masks += [server.in_flight, server.entry.seen if server.entry else 0]
    if snapshot is not None:
        masks += [snapshot.in_flight, snapshot.entry.seen if snapshot.entry else 0]
    masks += [reader.seen for reader in sorted(state.readers)]
    masks += [mask for process in sorted(state.processes) for mask in (process.rows, process.since)]
    masks += [mask for ack in state.acks for mask in (ack.seen, ack.rows)]
    return [mask >> number & 1 for mask in masks]


def reordered(state: State, order: tuple[int, ...]) -> State:
    """Return the state with its writers and bit masks in another order."""
    moved = moves(order)
    return state._replace(
        writers=tuple(state.writers[number] for number in order),
        readers=tuple(reader._replace(seen=moved[reader.seen]) for reader in state.readers),
        processes=tuple(p._replace(rows=moved[p.rows], since=moved[p.since]) for p in state.processes),
        acks=tuple(ack._replace(seen=moved[ack.seen], rows=moved[ack.rows]) for ack in state.acks),
        server=reordered_server(state.server, moved),
        snapshot=state.snapshot and reordered_server(state.snapshot, moved),
        data=moved[state.data],
        outbox=moved[state.outbox],
        due=moved[state.due],
        backup=None if state.backup is None else moved[state.backup],
        lost=moved[state.lost],
    )


def reordered_server(server: CacheServer, moved: tuple[int, ...]) -> CacheServer:
    """Return the server with its bit masks in another order."""
    entry = server.entry and server.entry._replace(seen=moved[server.entry.seen])
    return server._replace(in_flight=moved[server.in_flight], entry=entry)


@cache
def moves(order: tuple[int, ...]) -> tuple[int, ...]:
    """Return each bit mask's new value when the writers are put in this order."""
    return tuple(
        sum(1 << new for new, old in enumerate(order) if mask >> old & 1) for mask in range(1 << len(order))
    )
