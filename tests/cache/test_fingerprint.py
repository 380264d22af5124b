"""The fingerprint of the code: it changes with the version and with the fields of what is cached."""

from collections.abc import Callable, Iterator
from dataclasses import make_dataclass

import pytest
from django.conf import settings

from orchestrator.api import serializers
from orchestrator.api.entry_shapes import cached_shapes
from orchestrator.auth import cached_users
from orchestrator.cache import fingerprint

pytestmark = pytest.mark.engine_neutral


@pytest.fixture
def fingerprint_now() -> Iterator[Callable[[], bytes]]:
    """A function that computes the fingerprint anew."""

    def compute() -> bytes:
        fingerprint.fingerprint.cache_clear()
        return fingerprint.fingerprint()

    yield compute
    fingerprint.fingerprint.cache_clear()


def other_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "VERSION", "another")


def other_field_of_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    more = make_dataclass("CachedUser", [("locale", str)], bases=(cached_users.CachedUser,), frozen=True)
    monkeypatch.setattr(cached_users, "CachedUser", more)


def other_fields_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serializers.JobSerializer.Meta, "fields", ("id", "name"))


CHANGES = (other_version, other_field_of_a_user, other_fields_of_jobs)


@pytest.mark.parametrize("change", CHANGES)
def test_other_code_has_another_fingerprint(
    change: Callable[..., None], monkeypatch: pytest.MonkeyPatch, fingerprint_now: Callable[[], bytes]
):
    before = fingerprint_now()
    assert fingerprint_now() == before
    change(monkeypatch)
    assert fingerprint_now() != before


def test_the_shapes_include_nested_fields():
    shapes = [shape for shape in cached_shapes() if shape.startswith(("RecentEvents", "JobCounts"))]
    assert "counts: _CountsByStatus(pending: IntegerField()" in shapes[0]
    assert "results: ListSerializer(id: " in shapes[1]
