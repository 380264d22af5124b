"""Every method by which Django writes: each changes the job it gets, or creates others."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.models import F
from django.utils import timezone

from orchestrator import actions
from orchestrator.choices import JobStatus
from orchestrator.models import Job

WriteMethod = Callable[[Job], object]
WRITE_METHODS: dict[str, WriteMethod] = {}


def write_method(function: WriteMethod) -> WriteMethod:
    """Register a method."""
    WRITE_METHODS[function.__name__] = function
    return function


def sql_id(job: Job) -> object:
    """Return the job's id as SQL needs it."""
    return job.pk if connection.vendor == "postgresql" else job.pk.hex


@write_method
def save(job: Job) -> None:
    job.priority += 1
    job.save()


@write_method
def save_update_fields(job: Job) -> None:
    job.priority += 1
    job.save(update_fields=["priority"])


@write_method
def save_changed_status(job: Job) -> None:
    job.apply_status(JobStatus.RUNNING, timezone.now())
    job.save()


@write_method
def save_expression(job: Job) -> None:
    job.priority = F("priority") + 1
    job.save(update_fields=["priority"])


@write_method
def save_base(job: Job) -> None:
    job.priority += 1
    job.save_base()


@write_method
def delete(job: Job) -> None:
    job.delete()


@write_method
def queryset_update(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(priority=F("priority") + 1)


@write_method
def queryset_update_status(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(status="cancelled", completed_at=timezone.now())


@write_method
def queryset_private_update(job: Job) -> None:
    Job._base_manager.filter(pk=job.pk)._update([(Job._meta.get_field("priority"), None, 7)])  # noqa: SLF001


@write_method
def queryset_delete(job: Job) -> None:
    Job.objects.filter(pk=job.pk).delete()


@write_method
def queryset_raw_delete(job: Job) -> None:
    Job.objects.filter(pk=job.pk)._raw_delete("default")  # noqa: SLF001


@write_method
def bulk_create(job: Job) -> None:
    Job.objects.bulk_create([Job(name=f"bulk {number}") for number in range(3)])


@write_method
def bulk_create_update_conflicts(job: Job) -> None:
    job.priority += 1
    Job.objects.bulk_create(
        [job], update_conflicts=True, unique_fields=["id"], update_fields=["priority", "updated_at"]
    )


@write_method
def bulk_update(job: Job) -> None:
    job.priority += 1
    Job.objects.bulk_update([job], ["priority"])


@write_method
def get_or_create(job: Job) -> None:
    Job.objects.get_or_create(name="found or created")


@write_method
def update_or_create_updating(job: Job) -> None:
    Job.objects.update_or_create(pk=job.pk, defaults={"priority": 9})


@write_method
def update_or_create_creating(job: Job) -> None:
    Job.objects.update_or_create(name="created", defaults={"priority": 9})


@write_method
def select_for_update(job: Job) -> None:
    with transaction.atomic():
        locked = Job.objects.select_for_update().get(pk=job.pk)
        locked.priority += 1
        locked.save()


@write_method
def nested_atomic(job: Job) -> None:
    with transaction.atomic(), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(priority=3)


@write_method
def savepoint_rolled_back_before_a_change(job: Job) -> None:
    with transaction.atomic():
        savepoint = transaction.savepoint()
        Job.objects.all().delete()
        transaction.savepoint_rollback(savepoint)
        Job.objects.filter(pk=job.pk).update(priority=4)


@write_method
def change_after_integrity_error(job: Job) -> None:
    with transaction.atomic():
        try:
            with transaction.atomic():
                Job.objects.create(pk=job.pk, name="the same id")
        except IntegrityError:
            Job.objects.filter(pk=job.pk).update(name="changed after the error")


@write_method
def cursor_in_atomic(job: Job) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE jobs SET priority = 5 WHERE id = %s", [sql_id(job)])


@write_method
def cursor_in_autocommit(job: Job) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "  /* a comment, and lower case */ update jobs SET priority = 5 WHERE id = %s", [sql_id(job)]
        )


@write_method
def cursor_in_autocommit_many(job: Job) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE jobs SET priority = %s WHERE id = %s", [(n, sql_id(job)) for n in range(3)]
        )


@write_method
def cursor_in_autocommit_returning(job: Job) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE jobs SET priority = 6 WHERE id = %s RETURNING priority", [sql_id(job)])
        assert cursor.fetchall() == [(6,)]


@write_method
def cursor_in_autocommit_with(job: Job) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH chosen AS (SELECT %s AS id) DELETE FROM jobs WHERE id IN (SELECT id FROM chosen)",
            [sql_id(job)],
        )


@write_method
def manual_transaction(job: Job) -> None:
    transaction.set_autocommit(False)
    try:
        Job.objects.filter(pk=job.pk).update(priority=8)
        transaction.commit()
    finally:
        transaction.set_autocommit(True)


@write_method
def action(job: Job) -> None:
    actions.change_status(job.pk, JobStatus.CANCELLED, by="operator")


@write_method
def migration(job: Job) -> None:
    state = MigrationLoader(connection).project_state().apps
    row = state.get_model("orchestrator", "Job").objects.get(pk=job.pk)
    row.priority += 1
    row.save()


@write_method
def other_thread(job: Job) -> None:
    def write() -> None:
        try:
            Job.objects.filter(pk=job.pk).update(priority=11)
        finally:
            connection.close()

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()


@write_method
def management_command(job: Job) -> None:
    row = {
        "model": "orchestrator.job",
        "pk": str(job.pk),
        "fields": {"name": "loaded", "created_at": "2024-01-01T00:00:00Z"},
    }
    with TemporaryDirectory() as folder:
        file = Path(folder) / "fixture.json"
        file.write_text(json.dumps([row]))
        call_command("loaddata", str(file), verbosity=0)


@write_method
def seed_demo(job: Job) -> None:
    call_command("seed_demo", jobs=20, events=20, tasks=0, users=0, verbosity=0)


@write_method
def truncate(job: Job) -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE jobs" if connection.vendor == "postgresql" else "DELETE FROM jobs")
