"""Kills the archive again and again while it works, and looks for rows that are lost or doubled.

A longer run than in the tests, on both engines: ``python -m tests.archive.kills [KILLS]``.
"""

import json
import os
import pickle
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import django

ROOT = Path(__file__).resolve().parents[2]
ARCHIVE_CODE = str(ROOT / "orchestrator" / "archive")
JOBS = 400
#: Functions, and after how many of their steps a process is killed: an odd number is at the beginning of the
#: function, an even one at its end.
POINTS = {
    "archive": (
        ("begin", 2),
        ("_write_group", 2),
        ("flush_file", 2),
        ("close", 2),
        ("record", 2),
        ("move", 1),
        ("move", 2),
        ("_delete_unchanged", 6),
        ("_delete_unchanged", 7),
        ("_delete_events", 2),
        ("discard", 1),
        ("discard", 2),
        ("_delete", 2),
        ("_delete_jobs", 2),  # after all events have gone: the last one
    ),
    "restore": (
        ("begin", 2),
        ("insert", 6),
        ("insert", 7),
        ("_put_aside", 1),
        ("_put_aside", 2),
        ("finish", 2),
    ),
}
#: Steps, see ``count_steps``, and seconds after which a process is killed, at most. A batch takes some 900
#: steps to be archived, and a restoration of one 600.
MAX_STEPS = {"archive": 1_500, "restore": 900}
MAX_SECONDS = 0.1


class Killed(Exception):
    """The child process was killed."""


def in_child(
    work: Callable[[], Any], *, steps: int | None = None, of: str = "", seconds: float | None = None
) -> Any:
    """Return the result of a function that a child process runs.

    Args:
        work: the function.
        steps: after how many steps the child is killed; see ``count_steps``.
        of: the function of the archive's code whose steps are counted; "" for all.
        seconds: after how many seconds the child is killed.

    Raises:
        Killed: if it was killed before the function returned.
    """
    signal.sigtimedwait({signal.SIGCHLD}, 0)  # that of the last child
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _be_child(work, steps, of, writing)
    os.close(writing)
    if seconds is not None and not signal.sigtimedwait({signal.SIGCHLD}, seconds):
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading, "rb") as pipe:
        result = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        raise Killed
    if status:
        raise RuntimeError(f"the child failed with status {os.waitstatus_to_exitcode(status)}")
    return pickle.loads(result)  # noqa: S301 - from our own child


def _be_child(work: Callable[[], Any], steps: int | None, of: str, writing: int) -> None:
    status = 1
    try:
        if steps is not None:
            sys.setprofile(count_steps(steps, of))
        result = work()
        sys.setprofile(None)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(pickle.dumps(result))
        status = 0
    except BaseException as error:  # noqa: BLE001 - the child ends here
        sys.setprofile(None)
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
    finally:
        os._exit(status)


def count_steps(steps: int, of: str) -> Callable[..., None]:
    """Return a profile function that kills the process after some steps.

    A step is the beginning or end of a function of the archive's code, or of a call in it. Those that convert
    single values are not counted.
    """
    left = steps

    def profile(frame: Any, event: str, _: Any) -> None:
        nonlocal left
        file, name = frame.f_code.co_filename, frame.f_code.co_name
        if not file.startswith(ARCHIVE_CODE) or file.endswith("row_sql.py") or name.startswith("<"):
            return
        if of and (name != of or event not in ("call", "return")):
            return
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    return profile


def random_kill(chance: random.Random, max_steps: int) -> dict[str, Any]:
    """Return when the next process is killed, as arguments of ``in_child``."""
    if chance.random() < 0.5:
        return {"steps": chance.randrange(1, max_steps)}
    return {"seconds": chance.uniform(0.01, MAX_SECONDS)}


def killed_until_done(work: Callable[[], Any], kills: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Run a function in child processes that are killed, and then in one that is not.

    Args:
        work: the function. It returns whether something is left to do.
        kills: when each process is killed, as arguments of ``in_child``.

    Returns:
        How often a killed process left an open batch in each state; "" for no open batch.
    """
    left: Counter[str] = Counter()
    for kill in kills:
        try:
            if not in_child(work, **kill):
                break
        except Killed:
            left[in_child(state_left)] += 1
    while in_child(work):
        pass
    return dict(left)


def run(kills: int, seed: int) -> dict[str, Any]:
    """Archive and restore rows, killed at each point and then at random.

    Args:
        kills: the number of kills at random, of the archiving and of the restoring.
        seed: makes them repeatable.

    Returns:
        How often each of the two was killed, by the state that it left, and what was wrong.
    """
    import orchestrator.archive.batches  # noqa: F401, PLC0415 - once, not in every child

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    chance = random.Random(seed)  # noqa: S311 - not for cryptography
    before = in_child(_prepare)
    result: dict[str, Any] = {"faults": []}
    for name, work in (("archive", _archive), ("restore", _restore)):
        *at_points, last = [{"steps": steps, "of": of} for of, steps in POINTS[name]]
        at_random = [random_kill(chance, MAX_STEPS[name]) for _ in range(kills)]
        result[name] = killed_until_done(work, [*at_points, *at_random, last])
        result["faults"] += in_child(partial(_faults, before, name))
    return result


# --- What the child processes do ----------------------------------------------------------------------------


def _prepare() -> dict[str, Counter[Any]]:
    from django.core.management import call_command  # noqa: PLC0415

    from tests.archive import sample_rows  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    sample_rows.save_many(JOBS)
    saved = sample_rows.in_tables()
    _saved_rows().write_bytes(pickle.dumps(saved))
    return saved


def _saved_rows() -> Path:
    from django.conf import settings  # noqa: PLC0415

    settings.ARCHIVE_DIR.mkdir(parents=True, exist_ok=True)
    return Path(settings.ARCHIVE_DIR) / "saved_rows.pickle"


@contextmanager
def _small_steps() -> Iterator[None]:
    from orchestrator.archive import batches, parquet_files, restoring, stored_rows  # noqa: PLC0415

    batches.BATCH_ROWS, batches._JOBS_PAGE = 100, 20  # noqa: SLF001
    stored_rows.PAGE_ROWS = 40
    batches.CHUNK_ROWS = parquet_files.CHUNK_ROWS = restoring._CHUNK_ROWS = 10  # noqa: SLF001
    yield


def _archive() -> bool:
    from orchestrator import archive  # noqa: PLC0415
    from tests.archive import sample_rows  # noqa: PLC0415

    with _small_steps():
        archive.run_due()
    return any(sample_rows.due_now().values())


def _restore() -> bool:
    from orchestrator import archive  # noqa: PLC0415
    from orchestrator.choices import ArchiveState  # noqa: PLC0415

    with _small_steps():
        for file in archive.files():
            if file.state != ArchiveState.RESTORED:
                archive.restore(file.name)
    return any(file.state != ArchiveState.RESTORED for file in archive.files())


def state_left() -> str:
    """Return the state of the batch that a killed process has left; raise if a row is lost."""
    from orchestrator import archive  # noqa: PLC0415
    from orchestrator.archive.parquet_files import rows_of  # noqa: PLC0415
    from orchestrator.choices import OPEN_ARCHIVE_STATES, ArchiveState  # noqa: PLC0415
    from tests.archive import sample_rows  # noqa: PLC0415

    found = sample_rows.everywhere()
    for file in archive.files():
        if file.state in (ArchiveState.DELETING, ArchiveState.RESTORING):
            for rows in rows_of(archive.path_of(file)):
                found[file.table].update(rows)
    saved = pickle.loads(_saved_rows().read_bytes())  # noqa: S301 - our own
    lost = sum(len(saved[table].keys() - found[table].keys()) for table in saved)
    if lost:
        raise RuntimeError(f"{lost} rows are lost")
    open_states = {file.state for file in archive.files()} & set(OPEN_ARCHIVE_STATES)
    return min(open_states, default="")


def _faults(before: dict[str, Counter[Any]], when: str) -> list[str]:
    from orchestrator import archive, counts  # noqa: PLC0415
    from tests.archive import sample_rows  # noqa: PLC0415

    found, faults = sample_rows.everywhere(), []
    for table, rows in before.items():
        if lost := rows - found[table]:
            faults.append(f"{when}: {lost.total()} {table} are lost")
        if more := found[table] - rows:
            faults.append(f"{when}: {more.total()} {table} are there twice or changed")
    faults += [f"{when}: {count} is wrong" for count in counts.verify() if not count.is_exact]
    faults += [f"{when}: {problem}" for problem in archive.verify().values()]
    faults += [
        f"{when}: {number} {table} are still due"
        for table, number in sample_rows.due_now().items()
        if number and when == "archive"
    ]
    return faults


# --- The program --------------------------------------------------------------------------------------------


def main() -> None:
    """Run on the database of the environment, or on new ones of both engines."""
    kills, seed = (int(text) for text in (*sys.argv[1:], "20", "1")[:2])
    if "DATABASE_URL" in os.environ:
        django.setup()
        print(json.dumps(run(kills, seed)))  # noqa: T201 - the result
        return
    from tests.servers.postgres import PostgresServer  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder, ExitStack() as ends:
        Path(folder).chmod(0o755)
        server = PostgresServer(Path(folder) / "server").start()
        ends.callback(server.close)
        for url in (f"sqlite:///{folder}/kills.sqlite3", server.url()):
            data = Path(folder) / url.partition(":")[0]
            env = {
                **os.environ,
                "DATABASE_URL": url,
                "KYROS_DATA_DIR": str(data),
                "REDIS_URL": "none",
                "SECRET_KEY": "only-for-this-run-which-stores-nothing-at-all",
                "DJANGO_SETTINGS_MODULE": "kyros.settings",
                "DB_POOL_MAX_SIZE": "0",
            }
            ran = subprocess.run(
                [sys.executable, "-m", "tests.archive.kills", str(kills), str(seed)],
                env=env,
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            sys.stdout.write(f"{data.name}: {ran.stdout}")


if __name__ == "__main__":
    main()
