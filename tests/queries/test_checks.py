"""The system check that every index has a reader, and that every index named by a hot query exists."""

from dataclasses import replace

import pytest

from orchestrator.checks import compare, indexes_have_readers
from orchestrator.hot_queries import UNMANAGED_INDEXES, hot_queries
from orchestrator.models import Job

pytestmark = pytest.mark.engine_neutral


def declared() -> set[str]:
    return {query.index for query in hot_queries()} - {"primary key"}


def test_no_warnings_for_the_declared_indexes() -> None:
    assert indexes_have_readers() == []


def test_an_index_without_a_reader_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    index = type(Job._meta.indexes[0])(fields=["attempts"], name="ix_jobs_attempts")
    monkeypatch.setattr(Job._meta, "indexes", [*Job._meta.indexes, index])
    (warning,) = indexes_have_readers()
    assert (warning.id, warning.obj) == ("orchestrator.W001", "ix_jobs_attempts")
    assert "hot_queries.py" in warning.hint


@pytest.mark.parametrize("field", ["index", "alternatives"])
def test_a_name_that_is_not_an_index_is_a_warning(field: str) -> None:
    first, *others = hot_queries()
    wrong = replace(first, **{field: "ix_jobs_gone" if field == "index" else ("ix_jobs_gone",)})
    found = compare(declared() - UNMANAGED_INDEXES, [wrong, first, *others], known=UNMANAGED_INDEXES)
    assert [(warning.id, warning.obj) for warning in found] == [("orchestrator.W002", "ix_jobs_gone")]
    assert found[0].hint
