"""Every part of the service that names the tables names the same ones: those of the models."""

import pytest
from django.apps import apps

from monitoring import registry
from orchestrator import counts
from orchestrator.cache import tags
from orchestrator.lists import LISTS

pytestmark = pytest.mark.engine_neutral

#: The workers are small and change with every contact: they are neither listed nor cached. Nor is the
#: manifest of the archive, which only its commands and its page read.
NOT_LISTED = {"workers", "archive_files"}
TABLES = {model._meta.db_table for model in apps.get_app_config("orchestrator").get_models()} - NOT_LISTED


@pytest.mark.parametrize(
    "names",
    [
        counts.TABLES,
        tags.TABLES,
        {definition.name for definition in LISTS},
        {table.name for table in registry.monitored_app().tables},
    ],
    ids=["counts", "cache tags", "lists", "monitoring"],
)
def test_the_tables_of_the_models_are_counted_cached_listed_and_monitored(names: set[str]) -> None:
    assert set(names) == TABLES
