"""Prepares the database, static files and accounts for a start: `python -m kyros.run.prepare`.

It is a separate process, so that the launcher can kill it at any time, even during a migration. It writes its
progress to standard error, and the result, as JSON, to standard output. It reads the password that the
settings choose, or null, as one line of JSON from standard input. It ends when its standard input is closed,
which is when the launcher ends.
"""

import json
import os
import secrets
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from kyros.run import output
from monitoring.readiness import unapplied_migrations
from orchestrator.db.sqlite3.write_queue import LOCK_FILE_SUFFIX

PASSWORD_BYTES = 12
#: The user of the workers that do the demo's jobs.
DEMO_ACCOUNT = "demo-worker"


def prepare(chosen_password: str | None) -> dict[str, Any]:
    """Bring the database, static files and accounts up to date; return the members of a `Preparation`."""
    call_command("check", stdout=StringIO())  # raises an error; the line "no issues" is not shown
    _migrate()
    call_command("collectstatic", interactive=False, verbosity=0)
    password = _first_start(chosen_password)
    # An installation that did not begin with demo data has no such account.
    has_demo = get_user_model().objects.filter(username=DEMO_ACCOUNT, active=True).exists()
    return {"password": password, "has_demo": has_demo}


def _migrate() -> None:
    with _new_file_renamed_when_complete():
        if missing := unapplied_migrations(connection):
            output.progress(f"migrating the database ({len(missing)} migrations)")
            call_command("migrate", interactive=False, verbosity=0)


@contextmanager
def _new_file_renamed_when_complete() -> Iterator[None]:
    """Create a new SQLite file under a temporary name; rename it when the block has completed.

    Django commits a migration before it records it. A start that is killed in between would leave tables that
    the next start fails to create again.
    """
    file = Path(str(connection.settings_dict["NAME"]))
    if connection.vendor != "sqlite" or (file.exists() and file.stat().st_size):
        yield
        return
    unfinished = file.with_name(f"{file.name}.new")
    # SQLite would apply a log file that an earlier, deleted database has left.
    for ending in ("-wal", "-shm", ".new", ".new-wal", ".new-shm"):
        file.with_name(f"{file.name}{ending}").unlink(missing_ok=True)
    connection.settings_dict["NAME"] = str(unfinished)
    try:
        yield
    finally:
        connection.close()  # which moves the log into the database file
        connection.settings_dict["NAME"] = str(file)
    unfinished.replace(file)
    unfinished.with_name(f"{unfinished.name}{LOCK_FILE_SUFFIX}").unlink(missing_ok=True)


@transaction.atomic
def _first_start(chosen_password: str | None) -> str | None:
    """Create the operator's account and demo data if the account does not exist; return its new password.

    This is one transaction: a start that is killed half way leaves neither, and the next one does both.
    """
    users = get_user_model().objects
    name = settings.KYROS_ADMIN_USERNAME
    if users.filter(username=name).exists():
        return None
    password = chosen_password or secrets.token_urlsafe(PASSWORD_BYTES)
    users.create_superuser(name, f"{name.replace('@', '.')}@localhost", password)
    _demo_data()
    return password


def _demo_data() -> None:
    """If the database has no jobs, create `DEMO_JOBS` with their events, and the account of their workers."""
    if settings.DEMO_JOBS and not apps.get_model("orchestrator", "Job").objects.exists():
        output.progress(f"creating demo data ({settings.DEMO_JOBS} jobs)")
        call_command("seed_demo", jobs=settings.DEMO_JOBS, verbosity=0, stdout=sys.stderr)
        # Without a password: only the workers' process, which issues tokens to itself, can act as this user.
        get_user_model().objects.create_user(DEMO_ACCOUNT, f"{DEMO_ACCOUNT}@localhost")


def _end_with_launcher() -> None:
    os.read(sys.stdin.fileno(), 1)  # the launcher never writes, so this returns when it ends
    os._exit(1)


def main() -> int:
    """Prepare and write the result for the launcher; return the exit status."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kyros.settings")
    # Not in the environment, which every process of the same user can read.
    chosen_password = json.loads(sys.stdin.readline() or "null")
    threading.Thread(target=_end_with_launcher, daemon=True).start()
    try:
        django.setup()
        with redirect_stdout(sys.stderr):  # standard output is for the result only
            result = prepare(chosen_password)
    except DatabaseError as error:
        output.error(f"the database cannot be used: {error}")
        return 1
    except (ImproperlyConfigured, CommandError) as error:
        output.error(str(error))
        return 1
    output.line(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
