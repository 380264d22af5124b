"""The database's JSON of a row is the serializer's, field for field."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.api.serializers import EventSerializer, JobSerializer, TaskSerializer, UserSerializer
from orchestrator.api.serializers.strict_fields import ResourceSerializer
from orchestrator.choices import JobStatus, Role
from orchestrator.json_codec import from_json, to_json
from orchestrator.listing.json_rows import RowAsJSON
from orchestrator.models import Event, Job, Task, User

pytestmark = pytest.mark.slow

texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=40)
moments = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)) | st.just(  # noqa: DTZ001
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
)
numbers = st.integers(-(2**31), 2**31 - 1)
documents = st.dictionaries(
    texts,
    st.recursive(
        st.none() | st.booleans() | numbers | st.floats(-1e9, 1e9) | texts,
        lambda inner: st.lists(inner, max_size=3),
    ),
    max_size=4,
)


def same(serializer: type[ResourceSerializer], row: Any) -> None:
    row.save()
    shown = [name for name, field in serializer().fields.items() if not field.write_only]
    stored = type(row).objects.filter(pk=row.pk)
    (text,) = stored.annotate(as_json=RowAsJSON(*shown)).values_list("as_json", flat=True)
    theirs = from_json(to_json(serializer(stored.get()).data))
    ours = from_json(text)
    assert ours == theirs
    assert list(ours) == list(theirs)


rows = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.django_db
@rows
@given(
    name=texts,
    description=texts,
    status=st.sampled_from(JobStatus.values),
    priority=numbers,
    metadata=documents,
    times=st.tuples(moments, moments, moments, moments, moments),
    worker=st.none() | texts,
    lease=st.none() | moments,
    queue=st.from_regex(r"[a-z0-9._-]{1,100}", fullmatch=True),
    result=st.none() | documents,
    progress=st.none() | st.integers(0, 100),
)
def test_a_job(
    name, description, status, priority, metadata, times, worker, lease, queue, result, progress
) -> None:
    created, updated, started, completed, available = times
    job = Job(
        name=name, description=description, status=status, priority=priority, metadata=metadata, worker=worker
    )
    job.queue, job.result, job.progress, job.available_at = queue, result, progress, available
    job.created_at, job.updated_at, job.started_at, job.completed_at = created, updated, started, completed
    job.lease_expires_at = lease
    same(JobSerializer, job)


@pytest.mark.django_db
@rows
@given(event_type=texts, payload=documents, created=moments)
def test_an_event(event_type, payload, created) -> None:
    same(EventSerializer, Event(type=event_type, payload=payload, created_at=created))


@pytest.mark.django_db
@rows
@given(title=texts, description=texts, version=st.integers(1, 2**31 - 1), created=moments)
def test_a_task(title, description, version, created) -> None:
    same(TaskSerializer, Task(title=title, description=description, version=version, created_at=created))


@pytest.mark.django_db
@rows
@given(number=st.integers(0, 10**6), name=texts, role=st.sampled_from(Role.values), active=st.booleans())
def test_a_user(number, name, role, active) -> None:
    User.objects.all().delete()
    same(UserSerializer, User(username=f"{name}{number}", email=f"{number}@x.io", role=role, active=active))
