"""Inserts the rows of a plan."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import chain, islice
from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from orchestrator.db import rows as db_rows
from orchestrator.demo.seed_plan import SeedPlan
from orchestrator.demo.seen_workers import SeenWorkers
from orchestrator.models import Event, Job, Task, User

_MODELS: Final = (Job, Event, Task, User)
#: Rows of one transaction, where a job and its history count as one: other writes wait for one batch at most.
BATCH_SIZE: Final = 1_000


def load(
    plan: SeedPlan, *, progress: Callable[[int], object], using: str = DEFAULT_DB_ALIAS
) -> dict[str, int]:
    """Insert the rows of a plan and update the planner's statistics.

    Args:
        plan: the rows to add. If the database has them already, those of the next seed are added.
        progress: called after each batch with its number of rows.
        using: the database's alias.

    Returns:
        The number of rows added, by table.
    """
    connection = connections[using]
    loaded = Counter({model._meta.db_table: 0 for model in _MODELS})
    while _has_rows(plan, using):
        plan = replace(plan, seed=plan.seed + 1)
    rows, workers = plan.rows(_names(using)), SeenWorkers()
    while batch := list(chain.from_iterable(islice(rows, BATCH_SIZE))):
        with transaction.atomic(using=using):
            for model in _MODELS:
                if of_model := [row for row in batch if isinstance(row, model)]:
                    db_rows.insert(connection, of_model)
        workers.add(row for row in batch if isinstance(row, Job))
        loaded.update(row._meta.db_table for row in batch)
        progress(len(batch))
    workers.save(plan.until, using)
    analyze(connection)
    return dict(loaded)


def _has_rows(plan: SeedPlan, using: str) -> bool:
    """Return whether the plan was loaded before: whether its first row exists."""
    return any(type(row).objects.using(using).filter(pk=row.pk).exists() for row in next(plan.rows(), ()))


def _names(using: str) -> set[str]:
    """Return the names that a new user cannot have, because a user or an email address has them."""
    accounts = User.objects.using(using).values_list("username", "email")
    return {text.partition("@")[0] for account in accounts for text in account}


def analyze(connection: BaseDatabaseWrapper) -> None:
    """Update the planner's statistics, so that the first queries have good plans already."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            # A full scan, not a sample: from a sample SQLite concludes that a status alone is as selective as
            # a status with a priority. It takes two seconds for a million jobs.
            cursor.execute("PRAGMA analysis_limit = 0")
        for model in _MODELS:
            cursor.execute(f"ANALYZE {model._meta.db_table}")
