"""Runs `kyros.run.prepare` in a separate process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress

from django.conf import settings


def run_in_process(environment: Mapping[str, str]) -> str | None:
    """Prepare in a process with `environment`.

    Returns:
        The password of the operator's account, or None if it existed before.

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
    password: str | None = json.loads(document)
    return password


def _send(process: subprocess.Popen[bytes], password: str | None) -> None:
    with suppress(BrokenPipeError):  # it has ended; its status says why
        if process.stdin:
            process.stdin.write(f"{json.dumps(password)}\n".encode())
