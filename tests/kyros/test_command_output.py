"""How a command ends when its output cannot be written: without a traceback, with a status."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests.run.service import clean_environment

pytestmark = [pytest.mark.engine_neutral, pytest.mark.slow]

DEV_FULL = Path("/dev/full")
COMMANDS = ["table_stats --json", "help", "showmigrations"]


def run(command: str, redirection: str, data_dir: Path) -> "subprocess.CompletedProcess[str]":
    """Run a management command in a shell; its status is that of the command, not of the redirection."""
    variables = {
        "SECRET_KEY": "k" * 32,
        "KYROS_DATA_DIR": data_dir,
        "REDIS_URL": "none",
        "LOG_LEVEL": "ERROR",
    }
    return subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", f"'{sys.executable}' manage.py {command} {redirection}"],
        cwd=settings.BASE_DIR,
        env=clean_environment(variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_closed_pipe_ends_a_command_quietly(command, tmp_path):
    # The reader has gone before the command writes.
    result = run(command, "| sleep 0", tmp_path)
    assert result.stderr == ""
    assert result.returncode == 128 + 13  # as if SIGPIPE had ended it, which is what shells expect


@pytest.mark.skipif(not DEV_FULL.exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("command", COMMANDS)
def test_full_device_ends_a_command_with_one_line(command, tmp_path):
    result = run(command, ">/dev/full", tmp_path)
    assert result.stderr == f"kyros: the output cannot be written: {os.strerror(28)}\n"
    assert result.returncode == 1


@pytest.mark.parametrize(("command", "status"), [("table_stats", 0), ("db_report --json", 1)])
@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_command_without_output_ends_with_its_own_status(command, status, redirection, tmp_path):
    result = run(command, redirection, tmp_path)
    assert "Traceback" not in result.stderr
    assert result.returncode == status


def test_error_of_a_command_without_output_is_not_lost(tmp_path):
    result = run("table_stats --no-such-option", ">&-", tmp_path)
    assert "--no-such-option" in result.stderr
    assert result.returncode == 2
