"""The four tables, with the indexes that the performance report calls existing."""

import django.core.validators
import django.utils.timezone
from django.db import migrations, models

import orchestrator.db.fields
import orchestrator.db.functions
import orchestrator.db.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="Event",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=orchestrator.db.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("type", models.CharField(max_length=100)),
                ("payload", orchestrator.db.fields.ExactJSONField(blank=True, db_default={}, default=dict)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=orchestrator.db.functions.CurrentTimestamp(),
                        default=django.utils.timezone.now,
                        editable=False,
                    ),
                ),
                ("job_id", models.UUIDField(blank=True, editable=False, null=True)),
            ],
            options={
                "db_table": "events",
                "indexes": [
                    # the list in its default order and by a range of created_at, and recent events
                    models.Index(fields=["created_at"], name="ix_events_created_at"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Job",
            fields=[
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=orchestrator.db.functions.CurrentTimestamp(),
                        default=django.utils.timezone.now,
                        editable=False,
                    ),
                ),
                (
                    "updated_at",
                    models.DateTimeField(
                        db_default=orchestrator.db.functions.CurrentTimestamp(),
                        default=django.utils.timezone.now,
                        editable=False,
                    ),
                ),
                (
                    "id",
                    models.UUIDField(
                        default=orchestrator.db.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", orchestrator.db.fields.ByteOrderedCharField(max_length=255)),
                ("description", models.CharField(blank=True, db_default="", default="", max_length=1024)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("running", "Running"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        db_default="pending",
                        default="pending",
                        max_length=16,
                    ),
                ),
                ("priority", models.IntegerField(db_default=0, default=0, help_text="Higher goes first.")),
                (
                    "queue",
                    models.CharField(
                        db_default="default",
                        default="default",
                        help_text="A worker claims jobs from the queues it names.",
                        max_length=100,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[a-z0-9._-]+\\Z", "Use only a-z, 0-9, dots, underscores and hyphens."
                            )
                        ],
                    ),
                ),
                ("metadata", orchestrator.db.fields.ExactJSONField(blank=True, db_default={}, default=dict)),
                ("result", orchestrator.db.fields.ExactJSONField(blank=True, editable=False, null=True)),
                ("progress", models.PositiveSmallIntegerField(blank=True, editable=False, null=True)),
                (
                    "available_at",
                    models.DateTimeField(
                        db_default=orchestrator.db.functions.CurrentTimestamp(),
                        default=django.utils.timezone.now,
                        help_text="No worker gets the job before this time.",
                    ),
                ),
                ("started_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("completed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "attempts",
                    models.PositiveSmallIntegerField(
                        db_default=0, default=0, help_text="How many leases have expired."
                    ),
                ),
                (
                    "max_attempts",
                    models.PositiveSmallIntegerField(
                        db_default=3,
                        default=3,
                        help_text="How many leases may expire before the job fails.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(100),
                        ],
                    ),
                ),
                ("worker", models.CharField(blank=True, editable=False, max_length=255, null=True)),
                ("lease_token", models.UUIDField(blank=True, editable=False, null=True)),
                ("lease_expires_at", models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                "db_table": "jobs",
                "indexes": [
                    # the list in its default order, and by a range of created_at
                    models.Index(fields=["created_at"], name="ix_jobs_created_at"),
                    # bulk changes of the jobs of one status, in any order
                    models.Index(fields=["status"], name="ix_jobs_status"),
                    # bulk changes of the jobs of one priority, in any order
                    models.Index(fields=["priority"], name="ix_jobs_priority"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("status__in", ["pending", "running", "completed", "failed", "cancelled"])
                        ),
                        name="ck_jobs_status",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status__in", ("running", "completed", "failed")), _negated=True),
                            ("started_at__isnull", False),
                            _connector="OR",
                        ),
                        name="ck_jobs_started_at",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status__in", ("completed", "failed", "cancelled")), _negated=True),
                            ("completed_at__isnull", False),
                            _connector="OR",
                        ),
                        name="ck_jobs_completed_at",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("queue", ""), _negated=True), name="ck_jobs_queue"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("progress__isnull", True), ("progress__range", (0, 100)), _connector="OR"
                        ),
                        name="ck_jobs_progress",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Task",
            fields=[
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=orchestrator.db.functions.CurrentTimestamp(),
                        default=django.utils.timezone.now,
                        editable=False,
                    ),
                ),
                (
                    "updated_at",
                    models.DateTimeField(
                        db_default=orchestrator.db.functions.CurrentTimestamp(),
                        default=django.utils.timezone.now,
                        editable=False,
                    ),
                ),
                (
                    "id",
                    models.UUIDField(
                        default=orchestrator.db.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("title", orchestrator.db.fields.ByteOrderedCharField(max_length=255)),
                (
                    "description",
                    models.TextField(
                        blank=True,
                        db_default="",
                        default="",
                        validators=[django.core.validators.MaxLengthValidator(10000)],
                    ),
                ),
                ("version", models.PositiveIntegerField(db_default=1, default=1, editable=False)),
            ],
            options={
                "db_table": "tasks",
                "indexes": [
                    # the list in its default order, and by a range of created_at
                    models.Index(fields=["created_at"], name="ix_tasks_created_at"),
                ],
            },
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                (
                    "id",
                    models.UUIDField(
                        default=orchestrator.db.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "username",
                    orchestrator.db.fields.ByteOrderedCharField(
                        max_length=150,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[A-Za-z0-9@.+_-]+\\Z", "Use only A-Z, a-z, 0-9, @ . + - and _."
                            )
                        ],
                    ),
                ),
                ("email", models.EmailField(max_length=254)),
                (
                    "role",
                    models.CharField(
                        choices=[("user", "User"), ("moderator", "Moderator"), ("admin", "Admin")],
                        db_default="user",
                        default="user",
                        max_length=16,
                    ),
                ),
                (
                    "active",
                    models.BooleanField(
                        db_default=True,
                        default=True,
                        help_text="An inactive user cannot sign in, from the next request on.",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=orchestrator.db.functions.CurrentTimestamp(),
                        default=django.utils.timezone.now,
                        editable=False,
                    ),
                ),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "db_table": "users",
                "indexes": [
                    # sign-in, and the list in its default order
                    orchestrator.db.fields.UniqueIndex(fields=["username"], name="ix_users_username"),
                    # the check that an email address is unique
                    orchestrator.db.fields.UniqueIndex(fields=["email"], name="ix_users_email"),
                ],
                "constraints": [
                    orchestrator.db.fields.UniqueByIndex(fields=("username",), name="uq_users_username"),
                    orchestrator.db.fields.UniqueByIndex(fields=("email",), name="uq_users_email"),
                    models.CheckConstraint(
                        condition=models.Q(("role__in", ["user", "moderator", "admin"])), name="ck_users_role"
                    ),
                ],
            },
        ),
    ]
