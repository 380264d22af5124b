"""The launcher's side of `kyros.run.prepare`: runs it and takes what it has to tell."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True)
class PrepareResult:
    """What the launcher has to tell: `password` is None unless an account was made by this start."""

    password: str | None


def run_in_process(environment: Mapping[str, str]) -> PrepareResult:
    """Prepare in a process with `environment`; raise `SystemExit` if that fails, after it has said why."""
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
            # The database takes back what was not committed.
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if status:
        raise SystemExit(1)
    return PrepareResult(**json.loads(document))
