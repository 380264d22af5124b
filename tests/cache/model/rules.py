"""What may happen, and the protocol's rules, each of which can be broken to see that it is needed."""

from dataclasses import dataclass
from enum import Enum

from tests.cache.model.state import Reader, RedisCacheClient, Relay, State, Writer


@dataclass(frozen=True)
class World:
    """Who takes part and what may fail. Writers and readers always may die, and stall, anywhere."""

    writers: int = 2
    readers: int = 1
    keepers: int = 0  # without one the lease never ends: nothing fails that would need it
    cut_off: int = 0  # so many writers cannot rely on any call: each may be lost
    late: bool = False  # a call that was given up may have been executed, or be executed later
    freezes: bool = False  # the server stops and goes on; what was sent meanwhile it may execute then
    restarts: int = 0
    restores: bool = False  # a restart brings back a snapshot taken at any moment before; else it is empty
    evicts: bool = False  # any key, at any moment
    slow: bool = False  # a writer may expire before its COMMIT
    unsure: bool = False  # the outcome of a COMMIT may stay unknown

    def initial(self) -> State:
        """Return the state in which nothing has happened yet."""
        return State(
            writers=(Writer(),) * self.writers,
            readers=(Reader(),) * self.readers,
            keepers=(Relay(),) * self.keepers,
            server=RedisCacheClient(epoch=1, lease=0 if self.keepers else 1, knows_script=True),
        )


class Take(Enum):
    """Whether a writer takes the rows of others out of the outbox with its own."""

    NEVER = "never"
    ANNOUNCED = "announced"  # with a begin, which makes their tags stale too: so on SQLite
    ALWAYS = "always"  # also to put them back as its own


@dataclass(frozen=True)
class Rules:
    """The protocol; the defaults are right."""

    lease: int = 1  # ticks
    begins: bool = True
    marks: bool = True  # begin makes the generation "!"
    renews_at_begin: bool = False  # instead of marking
    ends: bool = True
    deletes_at_end: bool = False  # the entry, instead of a new generation
    last_one_out_renews: bool = True  # else everybody who leaves
    no_end_if_unsure: bool = True
    waits_for_lease: bool = True
    unended_goes_to_outbox: bool = True
    waited_out_row_vouches: bool = True  # while a row that was waited out is still there, nobody need wait
    takes_others_rows: Take = Take.NEVER
    stamps_before_query: bool = True
    mints_in_flight: bool = False
    random_tokens: bool = True  # else counted
    keeper_spares_in_flight: bool = True
    keeper_deletes_what_it_read: bool = True  # else all rows
    keeper_looks_until_empty: bool = True  # else it looks once
    lease_from_before_look: bool = True  # else from now
    new_epoch_on_restart: bool = True
    loads_with_new_epoch: bool = True  # in one transaction of the server; else one after the other
