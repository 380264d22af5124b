"""Everything between an empty data folder and a service that can start: `python -m kyros.launch.prepare`.

A process of its own, so that the launcher can end it at any moment, in the middle of a migration as well. It
tells a person its progress on standard error and the launcher what it did on standard output, as one JSON
document. It ends when its standard input is closed: when the launcher is gone.
"""

import json
import os
import secrets
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from io import StringIO
from pathlib import Path

import django
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from kyros.launch import console
from kyros.launch.preparation import Prepared
from monitoring.readiness import unapplied_migrations

PASSWORD_BYTES = 12


def prepare() -> Prepared:
    """Bring database, static files and accounts up to date; return what the launcher has to tell."""
    call_command("check", stdout=StringIO())  # what it finds is an error; that it finds nothing is no news
    _migrate()
    call_command("collectstatic", interactive=False, verbosity=0)
    return Prepared(password=_first_start())


def _migrate() -> None:
    with _new_under_another_name():
        if missing := unapplied_migrations(connection):
            console.progress(f"migrating the database ({len(missing)} migrations)")
            call_command("migrate", interactive=False, verbosity=0)


@contextmanager
def _new_under_another_name() -> Iterator[None]:
    """Give a SQLite file that is made in the block its name when it is whole.

    Django commits a migration before it notes that it has: a start that is ended in between would leave
    tables that the next one makes again, in vain.
    """
    file = Path(str(connection.settings_dict["NAME"]))
    if connection.vendor != "sqlite" or (file.exists() and file.stat().st_size):
        yield
        return
    unfinished = file.with_name(f"{file.name}.new")
    # A log that is left of a database that is gone would be taken for this one's.
    for ending in ("-wal", "-shm", ".new", ".new-wal", ".new-shm"):
        file.with_name(f"{file.name}{ending}").unlink(missing_ok=True)
    connection.settings_dict["NAME"] = str(unfinished)
    try:
        yield
    finally:
        connection.close()  # which leaves all in the one file
        connection.settings_dict["NAME"] = str(file)
    unfinished.replace(file)
    unfinished.with_name(f"{unfinished.name}-turns").unlink(missing_ok=True)


@transaction.atomic
def _first_start() -> str | None:
    """Create the operator and the demo data unless the operator is there; return the operator's new password.

    One transaction: a start that is ended half way leaves neither, and the next one begins again.
    """
    users = get_user_model().objects
    name = settings.KYROS_ADMIN_USERNAME
    if users.filter(username=name).exists():
        return None
    password = settings.KYROS_ADMIN_PASSWORD or secrets.token_urlsafe(PASSWORD_BYTES)
    users.create_superuser(name, f"{name.replace('@', '.')}@localhost", password)
    _demo_data()
    return password


def _demo_data() -> None:
    """Fill a database that nobody has used with `DEMO_JOBS` jobs and what belongs to them."""
    if settings.DEMO_JOBS and not apps.get_model("orchestrator", "Job").objects.exists():
        console.progress(f"making demo data ({settings.DEMO_JOBS} jobs)")
        call_command("seed_demo", jobs=settings.DEMO_JOBS, verbosity=0, stdout=sys.stderr)


def _end_with_launcher() -> None:
    os.read(sys.stdin.fileno(), 1)  # the launcher never writes: this returns at the end of the stream
    os._exit(1)


def main() -> int:
    """Prepare, and write the document for the launcher; return the exit status."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kyros.settings")
    threading.Thread(target=_end_with_launcher, daemon=True).start()
    try:
        django.setup()
        with redirect_stdout(sys.stderr):  # the standard output is for the document alone
            prepared = prepare()
    except DatabaseError as error:
        console.complain(f"the database cannot be used: {error}")
        return 1
    except (ImproperlyConfigured, CommandError) as error:
        console.complain(str(error))
        return 1
    console.say(json.dumps(asdict(prepared)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
