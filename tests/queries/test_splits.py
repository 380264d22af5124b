"""A list that is found in parts is the list, whatever its rows are; pages of it join."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import pytest

from orchestrator.choices import JobStatus
from orchestrator.filters import JobFilters, TaskFilters
from orchestrator.models import Job, Task
from orchestrator.pagination import Order
from orchestrator.splits import Walk, first_rows, parts
from orchestrator.viewsets import JobViewSet

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
#: Times that meet each other, and waits at both sides of each power of ten.
AGES = [timedelta(seconds=seconds) for seconds in (0, 1, 9, 10, 11, 99, 100, 101, 1000, 10**4, 10**6, 10**8)]
PAGE = 7


def some_jobs(random: Random) -> list[Job]:
    """Return jobs of any times, also of times that cannot be in good order."""
    return [
        Job(
            name=str(number),
            status=random.choice(JobStatus.values),
            priority=random.choice((-1, 0, 0, 0, 5)),
            created_at=NOW - random.choice(AGES) - random.choice(AGES),
            started_at=NOW - random.choice(AGES),
            completed_at=NOW - random.choice(AGES),
        )
        for number in range(120)
    ] + [Job(name="new", created_at=NOW - random.choice(AGES)) for _ in range(10)]


def asked(random: Random) -> dict[str, str]:
    """Return filters, of the jobs' own times."""
    times = [name for name in JobFilters.base_filters if name.endswith(("_after", "_before"))]
    chosen = {name: (NOW - random.choice(AGES)).isoformat() for name in times if random.random() < 0.4}
    if random.random() < 0.3:
        chosen["status"] = random.choice(JobStatus.values)
    if random.random() < 0.3:
        chosen["priority"] = random.choice(("-1", "0", "5"))
    return chosen


def passes(job: Job, chosen: dict[str, str]) -> bool:
    """Tell whether a job is one of a list, in Python's words."""
    for name, text in chosen.items():
        column, _, bound = name.rpartition("_")
        if bound not in ("after", "before"):
            if str(getattr(job, name)) != text:
                return False
            continue
        value, moment = getattr(job, f"{column}_at"), datetime.fromisoformat(text)
        if value is None or not (value > moment if bound == "after" else value < moment):
            return False
    return True


@pytest.mark.django_db
@pytest.mark.parametrize("name", JobViewSet.orders)
@pytest.mark.parametrize("way", ["forward", "backward"])
@pytest.mark.slow
def test_pages_in_parts_are_the_list(name: str, way: str) -> None:
    random = Random(f"{name} {way}")  # noqa: S311 - rows of a test
    jobs = Job.objects.bulk_create(some_jobs(random))
    order = Order.of(name, JobViewSet.orders[name])
    descending = order.descending is not (way == "backward")
    in_parts = 0
    for _ in range(60):
        chosen = asked(random)
        rows = JobFilters({**chosen, "ordering": name}, Job.objects.all()).qs
        wanted = sorted((job for job in jobs if passes(job, chosen)), key=order.position, reverse=descending)
        assert sorted(rows, key=order.position) == sorted(wanted, key=order.position)
        if rows.split is None:
            continue
        in_parts += len(wanted) > PAGE
        walk = Walk(order.columns, descending, (), PAGE)
        found: list[Job] = []
        while page := first_rows(rows, rows.split, walk, order.position):
            found += page
            walk = replace(walk, position=order.position(page[-1]))
        assert found == wanted, chosen
    assert in_parts > 10


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("moment", "found"), [("0001-01-01T00:00:00Z", 1), ("9999-12-31T23:59:59.999999Z", 0)]
)
def test_the_ends_of_all_time_can_be_asked_for(moment: str, found: int) -> None:
    job = Job.objects.create(name="x", status="completed", started_at=NOW, completed_at=NOW)
    rows = JobFilters({"started_after": moment}, Job.objects.all()).qs
    walk = Walk(("created_at", "id"), descending=False, position=(), size=2)
    position = Order.of("created_at", ("created_at", "id")).position
    assert first_rows(rows, rows.split, walk, position) == [job][:found]


@pytest.mark.django_db
def test_a_page_of_one_priority_is_found_by_its_age_alone() -> None:
    # With the priority in the comparison both engines would read all that is more urgent on the way back.
    rows = JobFilters({"priority": "0", "ordering": "-priority"}, Job.objects.all()).qs
    position = (0, NOW, UUID(int=0))
    walk = Walk(("priority", "created_at", "id"), descending=False, position=position, size=2)
    (part,) = parts(rows, rows.split, walk)
    assert '("jobs"."created_at", "jobs"."id") > (' in str(part.rows.query)


@pytest.mark.django_db
@pytest.mark.parametrize("few", [0, 100])
def test_titles_are_found_and_come_upon_alike(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.querysets.FEW_TASKS", few)
    titles = ("Re", "Retire", "retire", "Rf", "R", "Ré", "Re\U0010ffff", "Re%", "Re_")
    Task.objects.bulk_create([Task(title=title) for title in titles])
    for prefix in ("Re", "R", "Re%", "Re\U0010ffff", "\U0010ffff", "r"):
        found = TaskFilters({"title_prefix": prefix}, Task.objects.order_by("title")).qs
        assert [task.title for task in found] == sorted(title for title in titles if title.startswith(prefix))
