"""Runs `kyros.run.prepare` in a separate process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What a preparation has found.

    Attributes:
        password: the password of the operator's account; None if the account existed before.
        has_demo: whether the database has demo data, and the account of the workers that do its jobs.
    """

    password: str | None
    has_demo: bool


def run_in_process(environment: Mapping[str, str]) -> Preparation:
    """Prepare in a process with `environment`.

    Raises:
        SystemExit: the preparation failed and has printed the reason.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "kyros.run.prepare"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        cwd=settings.BASE_DIR,
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            _send(process, settings.KYROS_ADMIN_PASSWORD)
            document = process.stdout.read() if process.stdout else b""
            status = process.wait()
        except BaseException:
            # The database rolls back what was not committed.
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if status:
        raise SystemExit(1)
    return Preparation(**json.loads(document))


def _send(process: subprocess.Popen[bytes], password: str | None) -> None:
    with suppress(BrokenPipeError):  # it has ended; its status says why
        if process.stdin:
            process.stdin.write(f"{json.dumps(password)}\n".encode())
