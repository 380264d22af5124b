"""What may fail, and the protocol's rules, each of which can be switched off to show that it is needed."""

from dataclasses import dataclass
from enum import Enum

from tests.cache.model.state import Ack, CacheServer, Process, Reader, State, Writer


@dataclass(frozen=True)
class World:
    """The number of processes, and what may fail. Writers and readers may die, or stall, at any step.

    A COMMIT whose writer is dead takes any time.
    """

    writers: int = 2
    readers: int = 1
    processes: int = 0  # with a lease; without one the lease never ends
    acks: int = 0  # requests that acknowledge what they found
    cut_off: int = 0  # so many writers may lose any of their calls
    late: bool = False  # a lost call may have been executed, or be executed later
    freezes: bool = False  # the server stops and continues; it may then execute the calls sent meanwhile
    pauses: bool = False  # the server's clock stops and continues
    restarts: int = 0
    restores: bool = False  # a restart loads a snapshot taken at any time before; else it is empty
    evicts: bool = False  # any key but the writers in flight, at any time
    goes_back: bool = False  # the database is restored from a backup, once
    prunes: bool = False  # the outbox, while the cache is off

    def initial(self) -> State:
        """Return the initial state."""
        return State(
            writers=(Writer(),) * self.writers,
            readers=(Reader(),) * self.readers,
            processes=(Process(),) * self.processes,
            acks=(Ack(),) * self.acks,
            server=CacheServer(epoch=1, lease=0 if self.processes else 1, knows_script=True),
        )


class Take(Enum):
    """Whether a writer takes the outbox rows of others together with its own."""

    NEVER = "never"
    ANNOUNCED = "announced"  # together with a begin that also announces their tags, as on SQLite
    ALWAYS = "always"  # also when it puts the rows back as its own


@dataclass(frozen=True)
class Rules:
    """The protocol's rules; the defaults are the protocol."""

    lease: int = 1  # ticks
    begins: bool = True
    marks_generation: bool = True  # begin makes the generation "!"
    renews_at_begin: bool = False  # instead of marking it
    ends: bool = True
    deletes_at_end: bool = False  # the entry, instead of a new generation
    last_one_out_renews: bool = True  # else every writer that ends
    marks_end_with_transaction: bool = True  # else at any time
    waits_for_lease: bool = True
    waited_out_row_suffices: bool = True  # while a row that was waited out exists, nobody else waits
    takes_others_rows: Take = Take.NEVER
    acks_at_barrier: bool = True  # else at once
    reads_version_before_query: bool = True
    creates_generation_in_flight: bool = False
    random_tokens: bool = True  # else counters
    drain_spares_in_flight: bool = True
    drain_deletes_only_read_rows: bool = True  # else all rows
    drain_reads_until_empty: bool = True  # else it reads once
    lease_starts_before_read: bool = True  # else from now
    lease_by_own_clock: bool = True  # else in the server, by the server's clock
    new_epoch_on_restart: bool = True
    loads_with_new_epoch: bool = True  # in one transaction of the server; else one after the other
    doubts_until_over: bool = True  # else the new epoch holds at once
    knows_history: bool = True  # else a restored database goes unnoticed
    prunes_after_epoch: bool = True  # else at any time
