"""Every shell command in the documentation works.

Each command in a fenced ``sh`` block is either run here, against a service that `make run` has started, or it
matches a pattern in `COVERED`, which names the test that covers it. To add a command to the documentation,
write it so that it runs here, or add it to `COVERED`.

The commands of one file share a shell, so a variable that one block sets is known in the next. A command with
a comment that begins with a status, such as ``# 409``, must fail. These placeholders are replaced: the URL of
`make run`, the password "…", and ``ID=…`` by the id of the newest job.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.docs.commands import MARKDOWN_FILES, Command, commands_in
from tests.http_client import HttpClient
from tests.run.conftest import new_data_dir
from tests.run.service import Service, clean_environment

pytestmark = pytest.mark.engine_neutral

PROJECT = settings.BASE_DIR
PASSWORD = "hunter2-of-the-docs"
COMMANDS = {str(file): commands_in(PROJECT / file) for file in MARKDOWN_FILES}

#: Commands that run here: curl, assignments, examples that end, and management commands that only read.
RUNNABLE = re.compile(
    r"""
    curl\s | [A-Za-z_]+= | export\s | echo\s | umask\s |
    \.venv/bin/python\ examples/(jobs\.py|worker\.py\ .*--drain)\b |
    (\.venv/bin/)?python3?\ manage\.py\ (
        cache_audit | cache_health | check | db_report | explain_queries | fold_counts | help | migrate |
        partition_events | prune_idempotency_keys | requeue_expired | roll_up_minutes | showmigrations |
        snapshot_tables | table_stats
    )\b
    """,
    re.VERBOSE,
)
#: Commands that do not run here, with the test that covers them.
COVERED = {
    r"^make help\b": "tests/docs/test_commands.py",
    r"^([A-Z_]+=\S+ )*make run\b": "tests/run/test_startup.py",
    r"^make (test|test-fast)\b": "tests/infrastructure/test_pytest_run.py",
    r"^make lint\b": ".ci/run",
    r"^make bench\b": "tests/benchmarks/test_command.py",
    r"^\.ci/run\b": ".ci/run",
    r"^\.venv/bin/(python -m )?pytest\b": "tests/infrastructure/test_pytest_run.py",
    r"^(\.venv/bin/)?python3? manage\.py (archive|restore_archive)\b": "tests/archive/test_archive.py",
    r"^(\.venv/bin/)?python3? manage\.py seed_demo\b": "tests/demo/test_seed_demo.py",
    r"^(\.venv/bin/)?python3? manage\.py (changepassword|createsuperuser)\b": "Django's own tests",
    r"^(\.venv/bin/)?python3? manage\.py makemigrations\b": ".ci/run",
    r"^examples/worker\.sh\b": "tests/examples/test_workers.py",
    r"^(cp|git|cd) ": "no code of the project",
}
#: curl fails for a status of 400 or above.
PREAMBLE = """
set -eu
curl() { command curl --fail --max-time 30 "$@"; }
newest_job() {
    curl -s "$URL/api/v1/jobs/?limit=1" -H "Authorization: Bearer $ADMIN_TOKEN" |
        python -c 'import json, sys; print(json.load(sys.stdin)["results"][0]["id"])'
}
"""


def covering_test(command: Command) -> str | None:
    """Return the test that covers a command which does not run here."""
    return next((test for pattern, test in COVERED.items() if re.search(pattern, command.text)), None)


def all_commands() -> list[Command]:
    return [command for commands in COMMANDS.values() for command in commands]


def test_every_command_runs_here_or_is_covered_by_another_test():
    unknown = [str(each) for each in all_commands() if not (covering_test(each) or RUNNABLE.match(each.text))]
    assert not unknown, "run these commands here, or name the test that covers them in COVERED"


def test_every_make_target_and_test_file_in_the_commands_exists():
    targets = set(
        re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    for command in all_commands():
        assert {*re.findall(r"\bmake ([a-z-]+)", command.text)} <= targets, str(command)
        for path in re.findall(r"\btests/[\w/.]+", command.text):
            assert (PROJECT / path).exists(), str(command)


def test_every_covering_test_exists():
    paths = [test for test in COVERED.values() if "/" in test]
    assert [path for path in paths if not (PROJECT / path).exists()] == []


@pytest.fixture(scope="module")
def documented_service() -> Iterator[Service]:
    """A service as `make run` starts it, with demo data and a known password."""
    with new_data_dir() as folder:
        variables = {
            "KYROS_DATA_DIR": folder,
            "KYROS_ADMIN_PASSWORD": PASSWORD,
            "DEMO_JOBS": 50,
            "DEMO_WORKERS": 0,
        }
        started = Service(folder.parent / "log", {**variables, "WEB_WORKERS": 1})
        try:
            yield started.until_ready()
        finally:
            started.close()


def script_of(commands: list[Command], service: Service) -> str:
    """Return a shell script that runs the commands and names each one before it starts."""
    replacements = {
        "http://127.0.0.1:8000": service.url,
        "http://localhost:8000": service.url,
        '"password": "…"': f'"password": {json.dumps(PASSWORD)}',
        "PASSWORD=…": f"PASSWORD={PASSWORD}",
        "ID=…": "ID=$(newest_job)",
        ".venv/bin/python ": f"{sys.executable} ",
    }
    lines = [PREAMBLE]
    for command in commands:
        text = command.text
        for old, new in replacements.items():
            text = text.replace(old, new)
        lines.append(f"echo {command.file.name}:{command.line} >&2")
        lines.append(f"if\n{text}\nthen exit 1\nfi" if re.search(r"#\s*4\d\d\b", text) else text)
    return "\n".join(lines)


def run(script: str, service: Service) -> "subprocess.CompletedProcess[str]":
    """Run a shell script in the project's folder, with the data folder of `service`."""
    client = HttpClient(service.url).sign_in("admin", PASSWORD)
    variables = {
        **clean_environment({"KYROS_DATA_DIR": service.data_dir}),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "URL": service.url,
        "ADMIN_TOKEN": client.headers["Authorization"].removeprefix("Bearer "),
    }
    del variables["HOST"]  # the documentation uses it for curl; commands would get it as a setting
    return subprocess.run(
        ["/bin/sh", "-c", script],
        cwd=PROJECT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def first_file_with(command: Command) -> str:
    """Return the first file that has the command, without its comment."""
    words = shlex.split(command.text, comments=True)
    return next(
        file
        for file, commands in COMMANDS.items()
        if any(shlex.split(each.text, comments=True) == words for each in commands)
    )


def runs_in(file: str, command: Command) -> bool:
    """Return whether the test of a file runs its command; a management command runs for one file only."""
    alone = re.match(r"\.venv/bin/python manage\.py ", command.text)
    return not covering_test(command) and (not alone or first_file_with(command) == file)


@pytest.mark.slow
@pytest.mark.parametrize("file", COMMANDS)
def test_commands_of_a_file_run_against_a_started_service(request, file):
    commands = [command for command in COMMANDS[file] if runs_in(file, command)]
    if not commands:
        return
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    service = request.getfixturevalue("documented_service")
    done = run(script_of(commands, service), service)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "works"),
    [
        ("curl -s http://127.0.0.1:8000/healthz", True),
        ("curl -s http://127.0.0.1:8000/nothing", False),
        ("curl -s http://127.0.0.1:8000/nothing   # 404", True),
        ("curl -s http://127.0.0.1:8000/healthz   # 404", False),
        ("curl -s $NO_SUCH_VARIABLE", False),
        (".venv/bin/python manage.py no_such_command", False),
    ],
)
def test_command_that_does_not_work_is_found(documented_service, text, works):
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    command = Command(file=Path("page.md"), line=1, text=text)
    done = run(script_of([command], documented_service), documented_service)
    assert (done.returncode == 0) is works, done.stdout + done.stderr
