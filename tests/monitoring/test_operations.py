"""Commands, tasks, findings, alerts and the runbook belong together."""

import ast
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from celery.schedules import crontab
from django.conf import settings
from django.core.management import get_commands, load_command_class

from kyros.beat_table import ScheduledTask
from kyros.celery import app, beat_entry

pytestmark = pytest.mark.engine_neutral

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = ROOT / "docs" / "runbook"
ALERTS = ROOT / "docs" / "monitoring" / "alerts.yml"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OWN_COMMANDS = sorted(name for name, app in get_commands().items() if app in ("monitoring", "orchestrator"))

#: The commands that the public contract promises today.
PROMISED = {
    "cache_audit",
    "cache_health",
    "db_report",
    "explain_queries",
    "roll_up_minutes",
    "seed_demo",
    "table_stats",
}


def text_of(*files: Path) -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def sources() -> Iterator[Path]:
    for package in ("monitoring", "orchestrator"):
        yield from (ROOT / package).rglob("*.py")


def table_rows(document: Path, heading: str) -> set[str]:
    """Return what is in backticks in the first cells of the table under a heading."""
    section = document.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    cells = (line.split("|")[1] for line in section.splitlines() if line.startswith("|"))
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def finding_ids() -> set[str]:
    """Return the ids of all findings in the code, with ``…`` for their variable parts."""
    calls = (
        node
        for file in sources()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding"
    )
    return {_id(call.args[0]) for call in calls}


def _id(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
    assert isinstance(node, ast.Constant), ast.dump(node)
    return node.value


def same_id(one: str, other: str) -> bool:
    """Return whether one id is the other one, or an example of it."""
    return any(
        re.fullmatch(re.escape(pattern).replace("…", ".+"), text)
        for pattern, text in ((one, other), (other, one))
    )


def test_the_promised_commands_exist():
    assert set(OWN_COMMANDS) >= PROMISED


@pytest.mark.parametrize("name", OWN_COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]):
    command = load_command_class(get_commands()[name], name)
    assert len(command.help) > 40
    command.print_help("manage.py", name)
    assert f"usage: manage.py {name}" in capsys.readouterr().out


def test_every_command_is_documented():
    documented = re.findall(r"(?m)^\| `manage\.py (\w+)`", text_of(ROOT / "docs" / "commands.md"))
    assert documented == OWN_COMMANDS


def test_every_task_of_the_worker_is_a_command_with_a_row_in_the_documentation():
    names = {task.name for task in settings.BACKGROUND_TASKS}
    assert names <= set(OWN_COMMANDS)
    assert set(app.conf.beat_schedule) == {task.path for task in settings.BACKGROUND_TASKS}
    text = text_of(ROOT / "docs" / "operations.md")
    rows = re.findall(r"(?m)^\| `(\w+\.tasks\.\w+)` \| ([^|]+) \| (\d+) s \| `manage\.py (.+)` \|$", text)
    assert rows == [
        (task.path, _interval(task.every), str(task.max_seconds), f"{task.name} {task.arguments}".strip())
        for task in settings.BACKGROUND_TASKS
    ]


def _interval(seconds: int) -> str:
    units = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))
    name, length = next(unit for unit in units if seconds >= unit[1])
    number = seconds // length
    return f"{number} {name}" + "s" * (number != 1)


def test_the_lines_for_cron_run_the_tasks_as_often_as_the_worker():
    text = text_of(ROOT / "docs" / "operations.md")
    lines = re.findall(r"(?m)^((?:\S+ +){5})cd \S+ && \S+ manage\.py (.+)$", text)
    assert [(" ".join(times.split()), command) for times, command in lines] == [
        (task.cron, f"{task.name} {task.arguments}".strip()) for task in settings.BACKGROUND_TASKS
    ]


def test_beat_runs_hourly_and_daily_tasks_at_the_minute_of_their_line_for_cron():
    daily = ScheduledTask(path="a.tasks.b", every=86_400, max_seconds=9, minute=20, hour=3)
    hourly = replace(daily, every=3600)
    assert (daily.cron, hourly.cron) == ("20 3 * * *", "20 * * * *")
    assert beat_entry(daily)["schedule"] == crontab(minute=20, hour=3)
    assert beat_entry(hourly)["schedule"] == crontab(minute=20)


def test_every_finding_has_a_row_in_the_runbook():
    ids, rows = finding_ids(), table_rows(RUNBOOK / "monitoring.md", "Findings")
    assert len(ids) > 25
    assert {each for each in ids if not any(same_id(each, row) for row in rows)} == set()
    assert {row for row in rows if not any(same_id(row, each) for each in ids)} == set()


def test_every_alert_has_a_row_in_the_runbook():
    groups = yaml.safe_load((ROOT / "docs" / "monitoring" / "alerts.yml").read_text(encoding="utf-8"))[
        "groups"
    ]
    alerts = {rule["alert"] for group in groups for rule in group["rules"]}
    assert alerts == table_rows(RUNBOOK / "monitoring.md", "Alerts")


def test_every_command_that_texts_name_exists():
    named = set(re.findall(r"manage\.py (\w+)", text_of(*DOCUMENTS, ALERTS, *sources())))
    assert named - set(get_commands()) - {"COMMAND"} == set()


def test_every_target_and_module_that_the_documents_name_exists():
    text = text_of(*DOCUMENTS)
    targets = set(re.findall(r"(?m)^(\w+):", text_of(ROOT / "Makefile")))
    assert set(re.findall(r"(?:`|^    )make (\w+)", text, re.MULTILINE)) <= targets
    modules = set(re.findall(r"python -m ([\w.]+)", text))
    assert {module for module in modules if importlib.util.find_spec(module) is None} == set()
