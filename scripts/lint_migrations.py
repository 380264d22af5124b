"""Checks the SQL of the project's migrations with squawk: `python -m scripts.lint_migrations`.

The SQL is that for PostgreSQL. It is generated and not run, so no server is needed. A migration may break a
rule if its class says why:

    lint_exceptions = {"ban-drop-column": "no version since 1.4 reads it"}
"""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import django
from django.apps import apps
from django.db.backends.postgresql.schema import DatabaseSchemaEditor
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.db.utils import ConnectionHandler

#: Rules that hold for no migration, each with the reason.
NOT_CHECKED: Final = {
    "require-lock-timeout": "`manage.py migrate` sets it, and tries again",
    "require-statement-timeout": "building an index of a large table takes long and blocks nobody",
    "prefer-robust-stmts": "AddIndexOnline itself looks for an index that exists or is invalid",
    "prefer-text-field": "PostgreSQL raises the limit of a varchar without reading a row",
    "prefer-bigint-over-int": "for bounded numbers; ids are UUIDs",
    "prefer-bigint-over-smallint": "as above",
}
POSTGRESQL_VERSION: Final = "18"
#: The project's packages.
PACKAGES: Final = ("kyros", "monitoring", "orchestrator")

#: Never opened.
_DATABASES: Final = {"default": {"ENGINE": "orchestrator.db.postgresql", "NAME": "unused"}}


class SQLCollector(DatabaseSchemaEditor):
    """Collects the statements. Django's own way to collect them needs an open connection."""

    def execute(self, sql: Any, params: Sequence[Any] | None = ()) -> None:
        """Collect a statement with its parameters."""
        statement = str(sql) % tuple(map(self.quote_value, params)) if params else str(sql)
        self.collected_sql.append(statement.rstrip().removesuffix(";") + ";")


def sql_of(migration: Migration, state: ProjectState) -> str:
    """Return the SQL of a migration on PostgreSQL.

    Args:
        migration: the migration.
        state: the models before it.
    """
    collector = SQLCollector(ConnectionHandler(_DATABASES)["default"], collect_sql=True, atomic=False)
    with collector:
        migration.apply(state, collector, collect_sql=True)
    if migration.atomic:
        return "\n".join(["BEGIN;", *collector.collected_sql, "COMMIT;\n"])
    return "\n".join(collector.collected_sql)


def findings(sql: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return squawk's findings, by name and rule.

    Args:
        sql: the SQL of each migration by its name.
    """
    options = [
        "--reporter=json",
        f"--pg-version={POSTGRESQL_VERSION}",
        f"--exclude={','.join(NOT_CHECKED)}",
    ]
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    with TemporaryDirectory() as folder:
        for name, text in sql.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        output = subprocess.run(
            [Path(sys.executable).with_name("squawk"), *options, *sql],
            cwd=folder,
            capture_output=True,
            check=False,
            text=True,
        )
    for each in json.loads(output.stdout):
        found[each["file"]][each["rule_name"]] = each["message"]
    return found


def problems(migrations: dict[str, tuple[Migration, ProjectState]]) -> Iterator[str]:
    """Yield a line for each rule that a migration breaks, and for each exception that it does not need.

    Args:
        migrations: each migration by its name, with the models before it.
    """
    found = findings({name: sql_of(*each) for name, each in migrations.items()})
    for name, (migration, _) in migrations.items():
        excepted: dict[str, str] = getattr(migration, "lint_exceptions", {})
        for rule, message in found[name].items():
            if rule not in excepted:
                yield f"{name}: {rule}: {message}"
        for rule in excepted.keys() - found[name].keys():
            yield f"{name}: {rule}: the migration does not break this rule; remove the exception"


def own_migrations() -> dict[str, tuple[Migration, ProjectState]]:
    """Return the project's migrations by name, each with the models before it."""
    loader = MigrationLoader(None, replace_migrations=False)
    own = {app.label for app in apps.get_app_configs() if app.name.partition(".")[0] in PACKAGES}
    nodes = sorted(node for node in loader.graph.nodes if node[0] in own)
    return {
        ".".join(node): (loader.graph.nodes[node], loader.project_state(node, at_end=False)) for node in nodes
    }


if __name__ == "__main__":
    django.setup()
    lines = list(problems(own_migrations()))
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.exit(bool(lines))
