"""Every way in which Django writes: each changes the job that it is given, or puts others beside it."""

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

Way = Callable[[Job], object]
WAYS: dict[str, Way] = {}


def way(function: Way) -> Way:
    """Note a way to write."""
    WAYS[function.__name__] = function
    return function


def id_of(job: Job) -> object:
    """Return the job's id as SQL compares it."""
    return job.pk if connection.vendor == "postgresql" else job.pk.hex


@way
def save(job: Job) -> None:
    job.priority += 1
    job.save()


@way
def save_update_fields(job: Job) -> None:
    job.priority += 1
    job.save(update_fields=["priority"])


@way
def save_of_a_changed_status(job: Job) -> None:
    job.apply_status(JobStatus.RUNNING, timezone.now())
    job.save()


@way
def save_of_an_expression(job: Job) -> None:
    job.priority = F("priority") + 1
    job.save(update_fields=["priority"])


@way
def save_base(job: Job) -> None:
    job.priority += 1
    job.save_base()


@way
def delete(job: Job) -> None:
    job.delete()


@way
def queryset_update(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(priority=F("priority") + 1)


@way
def queryset_update_of_a_status(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(status="cancelled", completed_at=timezone.now())


@way
def queryset_update_past_the_verb(job: Job) -> None:
    Job._base_manager.filter(pk=job.pk)._update([(Job._meta.get_field("priority"), None, 7)])  # noqa: SLF001


@way
def queryset_delete(job: Job) -> None:
    Job.objects.filter(pk=job.pk).delete()


@way
def queryset_delete_without_collecting(job: Job) -> None:
    Job.objects.filter(pk=job.pk)._raw_delete("default")  # noqa: SLF001


@way
def bulk_create(job: Job) -> None:
    Job.objects.bulk_create([Job(name=f"bulk {number}") for number in range(3)])


@way
def bulk_create_over_what_is_there(job: Job) -> None:
    job.priority += 1
    Job.objects.bulk_create(
        [job], update_conflicts=True, unique_fields=["id"], update_fields=["priority", "updated_at"]
    )


@way
def bulk_update(job: Job) -> None:
    job.priority += 1
    Job.objects.bulk_update([job], ["priority"])


@way
def get_or_create(job: Job) -> None:
    Job.objects.get_or_create(name="gotten")


@way
def update_or_create_updating(job: Job) -> None:
    Job.objects.update_or_create(pk=job.pk, defaults={"priority": 9})


@way
def update_or_create_creating(job: Job) -> None:
    Job.objects.update_or_create(name="made", defaults={"priority": 9})


@way
def select_for_update(job: Job) -> None:
    with transaction.atomic():
        locked = Job.objects.select_for_update().get(pk=job.pk)
        locked.priority += 1
        locked.save()


@way
def nested_atomic(job: Job) -> None:
    with transaction.atomic(), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(priority=3)


@way
def savepoint_rolled_back_beside_a_change(job: Job) -> None:
    with transaction.atomic():
        savepoint = transaction.savepoint()
        Job.objects.all().delete()
        transaction.savepoint_rollback(savepoint)
        Job.objects.filter(pk=job.pk).update(priority=4)


@way
def integrity_error_survived(job: Job) -> None:
    with transaction.atomic():
        try:
            with transaction.atomic():
                Job.objects.create(pk=job.pk, name="the same id")
        except IntegrityError:
            Job.objects.filter(pk=job.pk).update(name="survived")


@way
def cursor_in_atomic(job: Job) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE jobs SET priority = 5 WHERE id = %s", [id_of(job)])


@way
def cursor_in_autocommit(job: Job) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "  /* as an operator types it */ update jobs SET priority = 5 WHERE id = %s", [id_of(job)]
        )


@way
def cursor_in_autocommit_many(job: Job) -> None:
    with connection.cursor() as cursor:
        cursor.executemany("UPDATE jobs SET priority = %s WHERE id = %s", [(n, id_of(job)) for n in range(3)])


@way
def cursor_in_autocommit_returning(job: Job) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE jobs SET priority = 6 WHERE id = %s RETURNING priority", [id_of(job)])
        assert cursor.fetchall() == [(6,)]


@way
def cursor_in_autocommit_with(job: Job) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH chosen AS (SELECT %s AS id) DELETE FROM jobs WHERE id IN (SELECT id FROM chosen)",
            [id_of(job)],
        )


@way
def manual_transaction(job: Job) -> None:
    transaction.set_autocommit(False)
    try:
        Job.objects.filter(pk=job.pk).update(priority=8)
        transaction.commit()
    finally:
        transaction.set_autocommit(True)


@way
def an_action(job: Job) -> None:
    actions.change_status(job.pk, JobStatus.CANCELLED, by="somebody")


@way
def a_migration(job: Job) -> None:
    state = MigrationLoader(connection).project_state().apps
    row = state.get_model("orchestrator", "Job").objects.get(pk=job.pk)
    row.priority += 1
    row.save()


@way
def another_thread(job: Job) -> None:
    def write() -> None:
        try:
            Job.objects.filter(pk=job.pk).update(priority=11)
        finally:
            connection.close()

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()


@way
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


@way
def seeding(job: Job) -> None:
    call_command("seed_demo", jobs=20, events=20, tasks=0, users=0, verbosity=0)


@way
def emptying(job: Job) -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE jobs" if connection.vendor == "postgresql" else "DELETE FROM jobs")
