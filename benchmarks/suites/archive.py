"""Archiving and restoring: rows a second, and bytes a row beside those in the tables."""

import json
import math
from dataclasses import replace
from typing import Any

from benchmarks.options import Options
from benchmarks.suite_report import Sample, SuiteReport, format_number
from benchmarks.testbed import ENGINES, Deployment, Testbed

#: Jobs first: their events go with them.
TABLES = ("jobs", "events")
#: The rows of the demo data are up to 90 days old: nearly all final jobs and their events are archived.
RETENTION = {"JOB_RETENTION_DAYS": "1", "EVENT_RETENTION_DAYS": "1"}


def run(testbed: Testbed, options: Options) -> SuiteReport:
    """Archive old rows and restore them, in every round on both engines."""
    measured: dict[str, list[dict[str, Any]]] = {engine: [] for engine in ENGINES}
    deployments = {engine: _deployment(testbed, engine, options.jobs) for engine in ENGINES}
    sizes = {engine: _bytes_of_a_row(deployment) for engine, deployment in deployments.items()}
    for _ in range(options.rounds):
        for engine, deployment in deployments.items():
            measured[engine].append(_measure(deployment))
    return SuiteReport(
        title=f"The archive, {options.jobs:,} jobs with their events (medians of the rounds)",
        columns=("engine", "archived rows/s", "restored rows/s", "bytes a row: table", "archive", "ratio"),
        rows=[_row(engine, rounds, sizes[engine]) for engine, rounds in measured.items()],
        measurements={"rounds": measured, "bytes_of_a_row": sizes},
    )


def _deployment(testbed: Testbed, engine: str, jobs: int) -> Deployment:
    deployment = testbed.copy(testbed.seeded(engine, jobs), f"archive_{engine}")
    folder = {"ARCHIVE_DIR": str(testbed.folder / f"archived_{engine}")}
    return replace(deployment, environment={**deployment.environment, **RETENTION, **folder})


def _bytes_of_a_row(deployment: Deployment) -> dict[str, float] | None:
    """Return the bytes of a row with its index entries, by table; None where SQLite lacks ``dbstat``."""
    tables = json.loads(deployment.manage("table_stats", "--json"))["table_statistics"]
    if any(tables[name]["table_bytes"] is None for name in TABLES):
        return None
    return {
        name: (tables[name]["table_bytes"] + tables[name]["index_bytes"]) / tables[name]["row_count"]
        for name in TABLES
    }


def _measure(deployment: Deployment) -> dict[str, Any]:
    runs = [json.loads(deployment.manage("archive", "--table", table, "--json")) for table in TABLES]
    files = [file for ran in runs for file in ran["files"]]
    return {
        "rows": {table: sum(file["rows"] for file in files if file["table"] == table) for table in TABLES},
        "bytes": {table: sum(file["bytes"] for file in files if file["table"] == table) for table in TABLES},
        "archive_seconds": sum(ran["seconds"] for ran in runs),
        "restore_seconds": deployment.run_step("restore_archived"),
    }


def _row(engine: str, rounds: list[dict[str, Any]], sizes: dict[str, float] | None) -> tuple[str, ...]:
    rows, stored = rounds[-1]["rows"], rounds[-1]["bytes"]
    number = sum(rows.values())
    in_table = sum(sizes[table] * rows[table] for table in TABLES) / number if sizes else math.nan
    in_archive = sum(stored.values()) / number
    speeds = (
        Sample([number / each[seconds] for each in rounds]).median
        for seconds in ("archive_seconds", "restore_seconds")
    )
    figures = (*speeds, in_table, in_archive, in_table / in_archive)
    return (engine, *map(format_number, figures))
