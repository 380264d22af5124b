"""The kept counts equal COUNT(*) after any sequence of changes, committed or rolled back."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from orchestrator import counts
from orchestrator.choices import JobStatus
from orchestrator.models import Event, Job, Task, User
from tests.counts.changes import CHANGES, remove_all

MODELS = {"jobs": Job, "events": Event, "tasks": Task, "users": User}

changes = st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 7)), min_size=1, max_size=4)


@contextmanager
def rolled_back_block() -> Iterator[None]:
    """Roll back the block, to a savepoint if a transaction is open."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


class Tables(RuleBasedStateMachine):
    """The four tables and their possible changes."""

    def __init__(self) -> None:
        super().__init__()
        counts.verify(repair=True)  # so that one example's failure does not affect the next

    @rule(changes=changes)
    def committed_each(self, changes):
        for change, number in changes:
            change(number)

    @rule(changes=changes)
    def committed_together(self, changes):
        with transaction.atomic():
            self.committed_each(changes)

    @rule(changes=changes)
    def rolled_back(self, changes):
        with rolled_back_block():
            self.committed_each(changes)

    @rule(before=changes, undone=changes, after=changes)
    def rolled_back_to_a_savepoint(self, before, undone, after):
        with transaction.atomic():
            self.committed_each(before)
            with rolled_back_block():
                self.committed_each(undone)
            self.committed_each(after)
            # a transaction reads its own changes
            self.counts_are_exact()

    @rule(changes=changes)
    def connection_lost(self, changes):
        with transaction.atomic():
            self.committed_each(changes)
            connection.close()

    @rule()
    def folded(self):
        counts.fold()

    @rule(change=st.sampled_from(CHANGES), number=st.integers(0, 7))
    def folded_and_rolled_back(self, change, number):
        with rolled_back_block():
            change(number)
            counts.fold()

    @invariant()
    def counts_are_exact(self):
        assert counts.rows_by_table() == {name: model.objects.count() for name, model in MODELS.items()}
        assert counts.jobs_by_status() == {
            status: Job.objects.filter(status=status).count() for status in JobStatus.values
        }
        by_queue = Counter(Job.objects.values_list("queue", "status"))
        assert {
            (queue, status): number
            for queue, by_status in counts.jobs_by_queue().items()
            for status, number in by_status.items()
        } == by_queue
        assert all(number.is_exact for number in counts.verify())

    def teardown(self):
        for table in MODELS:
            remove_all(table)


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_counts_are_exact_after_any_sequence_of_changes() -> None:
    examples = int(os.environ.get("HYPOTHESIS_EXAMPLES", "15"))
    run_state_machine_as_test(
        Tables,
        settings=settings(
            max_examples=examples,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
