"""Runs `kyros.run.prepare` in a separate process and returns its result to the launcher."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True, kw_only=True)
class PrepareResult:
    """The result of the preparation: `password` is None unless this start created the account."""

    password: str | None


def run_in_process(environment: Mapping[str, str]) -> PrepareResult:
    """Prepare in a process with `environment`; raise `SystemExit` if it fails, after it has printed why."""
    with subprocess.Popen(
        [sys.executable, "-m", "kyros.run.prepare"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=settings.BASE_DIR,
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            document = process.stdout.read() if process.stdout else b""
            status = process.wait()
        except BaseException:
            # The database rolls back what was not committed.
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if status:
        raise SystemExit(1)
    return PrepareResult(**json.loads(document))
