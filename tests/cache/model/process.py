"""The steps of a process with a lease: it renews the lease, ends doubts, and ends what dead writers began."""

from collections.abc import Iterator

from tests.cache.model import cache_server
from tests.cache.model.cache_server import replaced, serve
from tests.cache.model.rules import Rules, World
from tests.cache.model.state import MISSING, LeaseStep, Process, State, fresh, open_writers


def move(state: State, number: int, process: Process) -> State:
    """Return the state with the process replaced."""
    return state._replace(processes=replaced(state.processes, number, process))


def steps(state: State, number: int, world: World, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield the next steps; while the server is frozen, only those without a call."""
    process = state.processes[number]
    if not state.frozen or process.at in (LeaseStep.IDLE, LeaseStep.STARTED, LeaseStep.RENEWED):
        label, after, following = STEPS[process.at](state, process, rules)
        yield f"process {number} {label}", move(after, number, following)
    if process.at != LeaseStep.IDLE:
        yield f"process {number} gives up", move(state, number, process._replace(at=0, age=0, rows=0))
    if not state.frozen:
        yield from restart_steps(state, number, rules)


# --- The lease ----------------------------------------------------------------------------------------------


def start(state: State, process: Process, rules: Rules) -> tuple[str, State, Process]:
    """Read the clock."""
    return "starts to renew its lease", state, process._replace(at=LeaseStep.STARTED, age=0)


def read_outbox(state: State, process: Process, rules: Rules) -> tuple[str, State, Process]:
    """Read the outbox."""
    at = LeaseStep.OUTBOX_READ if state.outbox else LeaseStep.DRAINED
    return "reads the outbox", state, process._replace(at=at, rows=state.outbox)


def invalidate(state: State, process: Process, rules: Rules) -> tuple[str, State, Process]:
    """Renew the generations."""
    return "invalidates", cache_server.invalidate(state, rules), process._replace(at=LeaseStep.RENEWED)


def delete(state: State, process: Process, rules: Rules) -> tuple[str, State, Process]:
    """Delete the rows, after their tags were renewed."""
    rows = process.rows if rules.drain_deletes_only_read_rows else state.outbox
    at = LeaseStep.STARTED if rules.drain_reads_until_empty else LeaseStep.DRAINED
    return "deletes the rows", state._replace(outbox=state.outbox & ~rows), process._replace(at=at, rows=0)


def renew(state: State, process: Process, rules: Rules) -> tuple[str, State, Process]:
    """Hold the lease, but void every entry first if the database's history is another one."""
    if process.history != state.history and rules.knows_history:
        known = process._replace(history=state.history)
        return "voids: another history", cache_server.void(state), known
    lease = rules.lease - (process.age if rules.lease_starts_before_read else 0)
    after = process._replace(at=LeaseStep.IDLE, age=0)
    if rules.lease_by_own_clock:
        return "has a lease", state, after._replace(lease=lease)
    return "has a lease", serve(state, lease=max(state.server.lease, lease)), after


STEPS = {
    LeaseStep.IDLE: start,
    LeaseStep.STARTED: read_outbox,
    LeaseStep.OUTBOX_READ: invalidate,
    LeaseStep.RENEWED: delete,
    LeaseStep.DRAINED: renew,
}


# --- After a restart of the server; dead writers ------------------------------------------------------------


def restart_steps(state: State, number: int, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield the steps that void older entries, end the doubt, and end the writes of dead writers."""
    server, name = state.server, f"process {number}"
    if not server.knows_script and rules.new_epoch_on_restart:
        if rules.loads_with_new_epoch:
            yield f"{name} doubts: restarted", cache_server.doubt(state, rules)
        else:
            # Another process may see the restart at the same time: each step is possible alone.
            yield f"{name} sets an epoch", serve(state, epoch=fresh(state), doubt=rules.doubts_until_over)
            yield f"{name} loads the script", serve(state, knows_script=True)
    elif not server.knows_script:
        yield f"{name} loads the script", serve(state, knows_script=True)
    elif server.epoch == MISSING:
        yield f"{name} doubts: no epoch", cache_server.doubt(state, rules)
    elif server.doubt:
        yield from end_doubt(state, number)
    for other, writer in enumerate(state.writers):
        if server.in_flight & 1 << other and not writer.is_open:
            yield f"{name} ends writer {other}", cache_server.end(state, 1 << other, rules)


def end_doubt(state: State, number: int) -> Iterator[tuple[str, State]]:
    """Yield the next step to an epoch without doubt."""
    server, process, name = state.server, state.processes[number], f"process {number}"
    if process.met != server.epoch:
        met = process._replace(met=server.epoch, since=open_writers(state))
        yield f"{name} meets the doubt", move(state, number, met)
    elif not process.since & open_writers(state):
        yield f"{name} ends the doubt", serve(state, epoch=fresh(state), doubt=False)
