"""What may fail, and the protocol's rules, each of which can be switched off to show that it is needed."""

from dataclasses import dataclass
from enum import Enum

from tests.cache.model.state import CacheServer, Reader, Relay, State, Writer


@dataclass(frozen=True)
class World:
    """The number of processes, and what may fail. Writers and readers may die, or stall, at any step."""

    writers: int = 2
    readers: int = 1
    relays: int = 0  # without a relay the lease never ends
    cut_off: int = 0  # so many writers may lose any of their calls
    late: bool = False  # a lost call may have been executed, or be executed later
    freezes: bool = False  # the server stops and continues; it may then execute the calls sent meanwhile
    restarts: int = 0
    restores: bool = False  # a restart loads a snapshot taken at any time before; else it is empty
    evicts: bool = False  # any key, at any time
    slow: bool = False  # a writer may expire before its COMMIT
    unsure: bool = False  # the outcome of a COMMIT may stay unknown

    def initial(self) -> State:
        """Return the initial state."""
        return State(
            writers=(Writer(),) * self.writers,
            readers=(Reader(),) * self.readers,
            relays=(Relay(),) * self.relays,
            server=CacheServer(epoch=1, lease=0 if self.relays else 1, knows_script=True),
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
    no_end_if_unsure: bool = True
    waits_for_lease: bool = True
    unended_goes_to_outbox: bool = True
    waited_out_row_suffices: bool = (
        True  # while a row exists that was waited out, other writers need not wait
    )
    takes_others_rows: Take = Take.NEVER
    reads_version_before_query: bool = True
    creates_generation_in_flight: bool = False
    random_tokens: bool = True  # else counters
    relay_spares_in_flight: bool = True
    relay_deletes_only_read_rows: bool = True  # else all rows
    relay_reads_until_empty: bool = True  # else it reads once
    lease_starts_before_read: bool = True  # else from now
    new_epoch_on_restart: bool = True
    loads_with_new_epoch: bool = True  # in one transaction of the server; else one after the other
