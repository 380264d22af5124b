"""Actions refuse a change whose precondition fails, and write nothing."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from orchestrator import actions
from orchestrator.exceptions import PreconditionFailed
from orchestrator.models import Event, Job, Task, User

pytestmark = pytest.mark.django_db

Change = Callable[..., Any]

CHANGES: dict[type, tuple[Change, ...]] = {
    Job: (partial(actions.update_job, by="ada", name="new"), partial(actions.delete_job, by="ada")),
    Task: (partial(actions.update_task, title="new"), actions.delete_task),
    User: (partial(actions.update_user, username="new"), actions.delete_user),
}


@pytest.fixture
def rows() -> dict[type, Any]:
    return {
        Job: Job.objects.create(name="old"),
        Task: Task.objects.create(title="old"),
        User: User.objects.create_user("old", "old@example.com"),
    }


def refuse(_: object) -> None:
    raise PreconditionFailed('"etag"')


@pytest.mark.parametrize(
    ("model", "change"), [(model, change) for model, changes in CHANGES.items() for change in changes]
)
def test_a_precondition_that_fails_stops_the_change(
    rows: dict[type, Any], model: type, change: Change
) -> None:
    row = rows[model]
    with pytest.raises(PreconditionFailed):
        change(row.pk, precondition=refuse)
    (stored,) = type(row).objects.values()
    assert stored == {name: getattr(row, name) for name in stored}
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    ("model", "change"), [(model, change) for model, changes in CHANGES.items() for change in changes]
)
def test_a_precondition_gets_the_stored_row_before_the_change(
    rows: dict[type, Any], model: type, change: Change
) -> None:
    seen: list[str] = []
    change(rows[model].pk, precondition=lambda row: seen.append(str(row)))
    assert seen == ["old"]
    assert not any(str(row) == "old" for row in model.objects.all())  # type: ignore[attr-defined]
