"""The tables, their constraints and their indexes.

A comment names the query that reads each index. "existing" and "new" are the two groups of the performance
report: migration ``0001_initial`` creates the first, ``0002_performance_optimization`` the second.

Every column with a default also has it in the database (``db_default``), so that a hand-written INSERT can
omit the column. Ids are the exception: only Python makes UUIDv7s.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, ClassVar, Final

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import identify_hasher
from django.contrib.auth.models import PermissionsMixin
from django.core.validators import MaxLengthValidator, MaxValueValidator, MinValueValidator, RegexValidator
from django.db import DEFAULT_DB_ALIAS, connections, models, router, transaction
from django.db.models import Index, Q
from django.db.models.signals import post_save
from django.utils import timezone

from orchestrator.choices import (
    ENDED_STATUSES,
    OPEN_ARCHIVE_STATES,
    STARTED_STATUSES,
    TRANSITIONS,
    ArchiveState,
    JobStatus,
    Role,
)
from orchestrator.db import rows
from orchestrator.db.fields import ByteOrderedCharField, ExactJSONField, UniqueByIndex, UniqueIndex
from orchestrator.db.functions import CurrentTimestamp
from orchestrator.db.ids import new_id
from orchestrator.limits import (
    MAX_MAX_ATTEMPTS,
    MAX_PROGRESS,
    MAX_QUEUE_LENGTH,
    MAX_USERNAME_LENGTH,
    MAX_WORKER_LENGTH,
)
from orchestrator.querysets import AtomicUpdateQuerySet, EventQuerySet, JobQuerySet, TaskQuerySet


class AtomicSaveModel(models.Model):
    """A model whose every save runs in a transaction, so that the commit hook invalidates the cache first."""

    class Meta:
        abstract = True

    def save(self, *args: Any, using: str | None = None, **kwargs: Any) -> None:
        """Save the row, in a new transaction if none is open."""
        alias = using or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=alias, savepoint=False):
            super().save(*args, using=alias, **kwargs)

    def _do_insert(self, manager: Any, using: str, fields: Any, *more: Any) -> list[Any]:
        """Insert the row with SQL that is made once, unless the database computes some of its values."""
        if _has_expression(getattr(self, field.attname) for field in fields):
            returned: list[Any] = super()._do_insert(manager, using, fields, *more)  # type: ignore[misc]
            return returned
        rows.insert(connections[using], [self], fields)
        return []

    def _do_update(  # type: ignore[override]
        self, base_qs: Any, using: str, pk_val: Any, values: Any, *more: Any
    ) -> bool:
        """Update the row with SQL that needs no queryset, unless the database computes some of its values."""
        if _has_expression(value for _, _, value in values):
            return bool(super()._do_update(base_qs, using, pk_val, values, *more))
        return rows.update(connections[using], self, [(field, value) for field, _, value in values])


def _has_expression(values: Iterable[Any]) -> bool:
    return any(hasattr(value, "resolve_expression") for value in values)


def save_together(*new: AtomicSaveModel) -> None:
    """Save new rows into the open transaction; on PostgreSQL in one round trip."""
    rows.write_together(connections[DEFAULT_DB_ALIAS], new)
    for row in new:
        _send_saved(row, created=True)


def save_change(job: "Job", changed: Iterable[str], event: "Event") -> None:
    """Save fields of an existing job and its new event, as ``save_together`` does.

    Args:
        job: the job, which the open transaction has locked.
        changed: the names of the fields that may have changed.
        event: records the change.
    """
    names = frozenset({*changed, *job.touch()})
    fields = [field for field in Job._meta.concrete_fields if field.name in names]
    rows.write_together(connections[DEFAULT_DB_ALIAS], [event], {job: fields})
    _send_saved(job, created=False, update_fields=names)
    _send_saved(event, created=True)


def _send_saved(row: AtomicSaveModel, *, created: bool, update_fields: frozenset[str] | None = None) -> None:
    """Do what Django's ``save()`` does when a row is saved."""
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS  # noqa: SLF001
    post_save.send(
        type(row),
        instance=row,
        created=created,
        update_fields=update_fields,
        raw=False,
        using=DEFAULT_DB_ALIAS,
    )


class Timestamped(AtomicSaveModel):
    """A model with the times of creation and of the last change."""

    created_at = models.DateTimeField(default=timezone.now, db_default=CurrentTimestamp(), editable=False)
    updated_at = models.DateTimeField(default=timezone.now, db_default=CurrentTimestamp(), editable=False)

    class Meta:
        abstract = True

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        """Save the row; an existing row gets a new ``updated_at``."""
        touched = self.touch() if not self._state.adding else ()
        if update_fields is not None:
            update_fields = {*update_fields, *touched}
        super().save(*args, update_fields=update_fields, **kwargs)

    def touch(self) -> Collection[str]:
        """Record that the row changes now; return the names of the fields that were set."""
        self.updated_at = timezone.now()
        return ("updated_at",)


#: The characters of a queue's name.
QUEUE_PATTERN: Final = "[a-z0-9._-]+"

# The conditions of the claim's indexes call a job pending that has no other status. With a plain comparison
# PostgreSQL could read an index on the status instead: as long as its statistics do not know of a million new
# jobs, it would, and sort them. For the same reason the index of all queues also excludes "", which no job's
# status is: without that, PostgreSQL could read it for one queue, past the jobs of all others.
_NOT_PENDING: Final = [status for status in JobStatus if status != JobStatus.PENDING]
IS_CLAIMABLE: Final = Q(due=True) & ~Q(status__in=_NOT_PENDING)
_IS_CLAIMABLE_FROM_ALL: Final = Q(due=True) & ~Q(status__in=[*_NOT_PENDING, ""])
_IS_SCHEDULED: Final = Q(due=False) & ~Q(status__in=_NOT_PENDING)


class Job(Timestamped):
    """A piece of work that a client submits and a worker does."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = ByteOrderedCharField(max_length=255)
    description = models.CharField(max_length=1024, blank=True, default="", db_default="")
    status = models.CharField(
        max_length=16, choices=JobStatus, default=JobStatus.PENDING, db_default=JobStatus.PENDING
    )
    priority = models.IntegerField(default=0, db_default=0, help_text="Higher goes first.")
    queue = models.CharField(
        max_length=MAX_QUEUE_LENGTH,
        default="default",
        db_default="default",
        validators=[
            RegexValidator(rf"\A{QUEUE_PATTERN}\Z", "Use only a-z, 0-9, dots, underscores and hyphens.")
        ],
        help_text="A worker claims jobs from the queues it names.",
    )
    metadata = ExactJSONField(default=dict, db_default={}, blank=True)
    # NULL: the job has no result. Only a completed job has one.
    result = ExactJSONField(null=True, blank=True, editable=False)
    # NULL: the worker reports no progress.
    progress = models.PositiveSmallIntegerField(null=True, blank=True, editable=False)
    available_at = models.DateTimeField(
        default=timezone.now,
        db_default=CurrentTimestamp(),
        help_text="No worker gets the job before this time.",
    )
    # Whether the time in available_at has come, as the last promotion saw it. Only due jobs are in the
    # claim's indexes, so jobs that wait for their time cost a claim nothing (docs/leases.md).
    due = models.BooleanField(default=False, db_default=False, editable=False)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    completed_at = models.DateTimeField(null=True, blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How many leases have expired."
    )
    max_attempts = models.PositiveSmallIntegerField(
        default=3,
        db_default=3,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_MAX_ATTEMPTS)],
        help_text="How many leases may expire before the job fails.",
    )
    # NULL, not "": no worker has the job.
    worker = models.CharField(max_length=MAX_WORKER_LENGTH, null=True, blank=True, editable=False)  # noqa: DJ001
    lease_token = models.UUIDField(null=True, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = JobQuerySet.as_manager()

    class Meta:
        db_table = "jobs"
        indexes: ClassVar = [
            # existing: the list in its default order, and by a range of created_at
            Index(fields=["created_at"], name="ix_jobs_created_at"),
            # existing: bulk changes of the jobs of one status, in any order
            Index(fields=["status"], name="ix_jobs_status"),
            # existing: bulk changes of the jobs of one priority, in any order
            Index(fields=["priority"], name="ix_jobs_priority"),
            # new: bulk changes of the jobs of one status and priority, in any order
            Index(fields=["status", "priority"], name="ix_jobs_status_priority"),
            # new: the list of one status, in order of creation
            Index(fields=["status", "created_at"], name="ix_jobs_status_created_at"),
            # new: the list of one priority in order of creation, and the whole list in order of priority
            Index(fields=["priority", "created_at"], name="ix_jobs_priority_created_at"),
            # new: the list by a range of started_at
            Index(fields=["started_at"], name="ix_jobs_started_at"),
            # new: the list by a range of completed_at
            Index(fields=["completed_at"], name="ix_jobs_completed_at"),
            # the list of one status in order of priority, and of one status and priority in order of creation
            Index(fields=["status", "priority", "created_at"], name="ix_jobs_status_prio_created"),
            # the list of one queue, in order of creation
            Index(fields=["queue", "created_at"], name="ix_jobs_queue_created_at"),
            # the list of one worker's jobs, in order of creation; only jobs that a worker has or had
            Index(
                fields=["worker", "created_at"],
                name="ix_jobs_worker_created_at",
                condition=Q(worker__isnull=False),
            ),
            # the admin's search by the beginning of a name, and its list in order of name; created_at keeps a
            # page cheap if many jobs have the same name
            Index(fields=["name", "created_at"], name="ix_jobs_name_created_at"),
            # a claim from all queues: the next job is the first entry
            Index(
                fields=["-priority", "created_at", "id"],
                name="ix_jobs_claim",
                condition=_IS_CLAIMABLE_FROM_ALL,
            ),
            # a claim from some queues: the next job of each is the first of its entries
            Index(
                fields=["queue", "-priority", "created_at", "id"],
                name="ix_jobs_claim_queue",
                condition=IS_CLAIMABLE,
            ),
            # the promotion of jobs whose time has come
            Index(
                fields=["available_at"],
                name="ix_jobs_schedule",
                condition=_IS_SCHEDULED,
            ),
            # the search for leases that have expired
            Index(
                fields=["lease_expires_at"],
                name="ix_jobs_lease_expires_at",
                condition=Q(lease_expires_at__isnull=False),
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(status__in=JobStatus.values), name="ck_jobs_status"),
            models.CheckConstraint(
                condition=~Q(status__in=STARTED_STATUSES) | Q(started_at__isnull=False),
                name="ck_jobs_started_at",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=ENDED_STATUSES) | Q(completed_at__isnull=False),
                name="ck_jobs_completed_at",
            ),
            models.CheckConstraint(condition=~Q(queue=""), name="ck_jobs_queue"),
            models.CheckConstraint(
                condition=Q(progress__isnull=True) | Q(progress__range=(0, MAX_PROGRESS)),
                name="ck_jobs_progress",
            ),
        ]

    def __str__(self) -> str:
        return str(self.name)

    @property
    def allowed_statuses(self) -> tuple[JobStatus, ...]:
        """Return the statuses that may follow this job's."""
        return TRANSITIONS[JobStatus(self.status)]

    def apply_status(self, status: JobStatus, at: datetime) -> Collection[str]:
        """Set a status, which must be allowed, and the columns that go with it; return the columns' names."""
        fields = self.fields_for_status(status, at)
        if status == JobStatus.PENDING:
            fields["attempts"] = self.attempts if self.status == JobStatus.RUNNING else 0
        for name, value in fields.items():
            setattr(self, name, value)
        return fields.keys()

    @staticmethod
    def fields_for_status(status: JobStatus, at: datetime) -> dict[str, Any]:
        """Return the values of the columns that change when a job gets a status at some time.

        The lease ends. ``attempts`` is not among them: it depends on the job's previous status.
        """
        fields: dict[str, Any] = {
            "status": status,
            "completed_at": at if status in ENDED_STATUSES else None,
            "lease_token": None,
            "lease_expires_at": None,
        }
        if status == JobStatus.RUNNING:
            fields["started_at"] = at
        if status == JobStatus.PENDING:
            fields |= dict.fromkeys(("started_at", "worker", "result", "progress")) | {"due": False}
        return fields


class Event(AtomicSaveModel):
    """Something that happened; written once and never changed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    type = models.CharField(max_length=100)
    payload = ExactJSONField(default=dict, db_default={}, blank=True)
    created_at = models.DateTimeField(default=timezone.now, db_default=CurrentTimestamp(), editable=False)
    # The job whose history this event belongs to. No foreign key: history outlives its job, and archives.
    job_id = models.UUIDField(null=True, blank=True, editable=False)

    objects = EventQuerySet.as_manager()

    class Meta:
        db_table = "events"
        indexes: ClassVar = [
            # existing: the list in its default order and by a range of created_at, and recent events
            Index(fields=["created_at"], name="ix_events_created_at"),
            # new: events of one type, in any order
            Index(fields=["type"], name="ix_events_type"),
            # new: the list of one type, in order of creation
            Index(fields=["type", "created_at"], name="ix_events_type_created_at"),
            # one job's history, and the list of one job's events
            Index(fields=["job_id", "created_at"], name="ix_events_job_id_created_at"),
        ]

    def __str__(self) -> str:
        return self.type


class Worker(AtomicSaveModel):
    """A worker that has claimed jobs, or tried to, in the last day; the console shows it.

    It is written at most every few seconds, and outside the transactions of claims and heartbeats.
    """

    name = models.CharField(primary_key=True, max_length=MAX_WORKER_LENGTH)
    # NULL: the worker claims from every queue.
    queues = ExactJSONField(null=True)
    first_seen_at = models.DateTimeField(db_default=CurrentTimestamp())
    seen_at = models.DateTimeField(db_default=CurrentTimestamp())

    objects = AtomicUpdateQuerySet.as_manager()

    class Meta:
        db_table = "workers"

    def __str__(self) -> str:
        return self.name


class ArchiveFile(AtomicSaveModel):
    """An entry of the archive's manifest: a file in ``ARCHIVE_DIR`` with rows of one table."""

    name = models.CharField(primary_key=True, max_length=100)
    # The files of one batch: jobs, and the events of these jobs.
    batch = models.UUIDField()
    table = models.CharField(max_length=16)
    # The table that the rows were read from: ``table``, or a partition that was detached from it.
    source = models.CharField(max_length=63)
    state = models.CharField(max_length=16, choices=ArchiveState)
    rows = models.BigIntegerField(default=0, db_default=0)
    bytes = models.BigIntegerField(default=0, db_default=0)
    # SHA-256 of the file; "" while it is written.
    checksum = models.CharField(max_length=64, blank=True, default="", db_default="")
    # The range of created_at of events, of completed_at of jobs. NULL: the file has no rows.
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=CurrentTimestamp())
    # When the file was last found to be whole. NULL: while it is written.
    verified_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "archive_files"
        constraints: ClassVar = [
            # One batch of a table at a time: no row can get into two files.
            models.UniqueConstraint(
                fields=["table"],
                condition=Q(state__in=OPEN_ARCHIVE_STATES),
                name="uq_archive_files_open",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Task(Timestamped):
    """A note of work to be done, which several people or agents edit."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    title = ByteOrderedCharField(max_length=255)
    description = models.TextField(
        blank=True, default="", db_default="", validators=[MaxLengthValidator(10_000)]
    )
    version = models.PositiveIntegerField(default=1, db_default=1, editable=False)

    objects = TaskQuerySet.as_manager()

    class Meta:
        db_table = "tasks"
        indexes: ClassVar = [
            # existing: the list in its default order, and by a range of created_at
            Index(fields=["created_at"], name="ix_tasks_created_at"),
            # new: tasks of one title, in any order
            Index(fields=["title"], name="ix_tasks_title"),
            # the list of one title in order of creation, and the lists in order of title: all tasks, or those
            # whose title begins with a prefix
            Index(fields=["title", "created_at"], name="ix_tasks_title_created_at"),
        ]

    def __str__(self) -> str:
        return str(self.title)

    def touch(self) -> Collection[str]:
        """Record that the row changes now and raise its version; return the names of the fields set."""
        self.version += 1
        return (*super().touch(), "version")


class UserManager(BaseUserManager["User"].from_queryset(AtomicUpdateQuerySet)):  # type: ignore[misc]
    """Creates users and hashes their passwords."""

    def create_user(self, username: str, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user; without a password they cannot sign in. Username and email are normalized."""
        user: User = self.model(
            username=self.model.normalize_username(username), email=self.normalize_email(email), **fields
        )
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(
        self, username: str, email: str, password: str | None = None, **fields: Any
    ) -> "User":
        """Create a user whose role is admin, for ``manage.py createsuperuser``."""
        return self.create_user(username, email, password, **{**fields, "role": Role.ADMIN})


class User(AtomicSaveModel, AbstractBaseUser, PermissionsMixin):
    """A person or agent who signs in; the role decides what they may do."""

    username_validator = RegexValidator(r"\A[A-Za-z0-9@.+_-]+\Z", "Use only A-Z, a-z, 0-9, @ . + - and _.")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    username = ByteOrderedCharField(max_length=MAX_USERNAME_LENGTH, validators=[username_validator])
    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=16, choices=Role, default=Role.USER, db_default=Role.USER)
    active = models.BooleanField(
        default=True,
        db_default=True,
        help_text="An inactive user cannot sign in, from the next request on.",
    )
    created_at = models.DateTimeField(default=timezone.now, db_default=CurrentTimestamp(), editable=False)

    objects = UserManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar = ["email"]

    class Meta:
        db_table = "users"
        indexes: ClassVar = [
            # existing: sign-in, and the list in its default order
            UniqueIndex(fields=["username"], name="ix_users_username"),
            # existing: the check that an email address is unique
            UniqueIndex(fields=["email"], name="ix_users_email"),
            # new: the check that an admin is left, and users of one role in any order
            Index(fields=["role"], name="ix_users_role"),
            # new: active or inactive users, in any order
            Index(fields=["active"], name="ix_users_active"),
            # the list in order of creation
            Index(fields=["created_at"], name="ix_users_created_at"),
        ]
        constraints: ClassVar = [
            UniqueByIndex(fields=["username"], name="uq_users_username"),
            UniqueByIndex(fields=["email"], name="uq_users_email"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="ck_users_role"),
        ]

    def __str__(self) -> str:
        return str(self.username)

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        """Return whether the user may sign in, under the name that Django requires."""
        return self.active

    @property
    def can_sign_in(self) -> bool:
        """Return whether the user is active and has a password that can be checked."""
        try:
            return self.active and bool(identify_hasher(self.password))
        except ValueError:  # Django's unusable password, and hashes that were imported from elsewhere
            return False

    @property
    def is_staff(self) -> bool:
        """Return whether the user may use the admin."""
        return Role(self.role).covers(Role.MODERATOR)

    @property
    def is_superuser(self) -> bool:  # type: ignore[override]
        """Return whether the user has every permission. This replaces Django's column."""
        return self.role == Role.ADMIN
