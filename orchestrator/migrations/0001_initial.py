"""The four tables, with the indexes that the service this one takes over from already had."""

import django.core.validators
import django.utils.timezone
from django.db import migrations, models

import orchestrator.fields
import orchestrator.ids


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
                        default=orchestrator.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("type", models.CharField(max_length=100)),
                ("payload", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("job_id", models.UUIDField(blank=True, editable=False, null=True)),
            ],
            options={
                "db_table": "events",
                "indexes": [models.Index(fields=["created_at"], name="ix_events_created_at")],
            },
        ),
        migrations.CreateModel(
            name="Job",
            fields=[
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("updated_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "id",
                    models.UUIDField(
                        default=orchestrator.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", orchestrator.fields.ByteOrderedCharField(max_length=255)),
                ("description", models.CharField(blank=True, default="", max_length=1024)),
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
                        default="pending",
                        max_length=16,
                    ),
                ),
                ("priority", models.IntegerField(default=0, help_text="Higher goes first.")),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("started_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("completed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "attempts",
                    models.PositiveSmallIntegerField(default=0, help_text="Leases that ran out so far."),
                ),
                ("max_attempts", models.PositiveSmallIntegerField(default=3)),
                ("worker", models.CharField(blank=True, editable=False, max_length=255, null=True)),
                ("lease_token", models.UUIDField(blank=True, editable=False, null=True)),
                ("lease_expires_at", models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                "db_table": "jobs",
                "indexes": [
                    models.Index(fields=["created_at"], name="ix_jobs_created_at"),
                    models.Index(fields=["status"], name="ix_jobs_status"),
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
                ],
            },
        ),
        migrations.CreateModel(
            name="Task",
            fields=[
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("updated_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "id",
                    models.UUIDField(
                        default=orchestrator.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("title", orchestrator.fields.ByteOrderedCharField(max_length=255)),
                (
                    "description",
                    models.TextField(
                        blank=True, default="", validators=[django.core.validators.MaxLengthValidator(10000)]
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1, editable=False)),
            ],
            options={
                "db_table": "tasks",
                "indexes": [models.Index(fields=["created_at"], name="ix_tasks_created_at")],
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
                        default=orchestrator.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("username", orchestrator.fields.ByteOrderedCharField(max_length=150)),
                ("email", models.EmailField(max_length=254)),
                (
                    "role",
                    models.CharField(
                        choices=[("user", "User"), ("moderator", "Moderator"), ("admin", "Admin")],
                        default="user",
                        max_length=16,
                    ),
                ),
                (
                    "active",
                    models.BooleanField(
                        default=True, help_text="An inactive user cannot sign in, from the next request on."
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
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
                    orchestrator.fields.UniqueIndex(fields=["username"], name="ix_users_username"),
                    orchestrator.fields.UniqueIndex(fields=["email"], name="ix_users_email"),
                ],
                "constraints": [
                    orchestrator.fields.UniqueByIndex(fields=("username",), name="uq_users_username"),
                    orchestrator.fields.UniqueByIndex(fields=("email",), name="uq_users_email"),
                    models.CheckConstraint(
                        condition=models.Q(("role__in", ["user", "moderator", "admin"])), name="ck_users_role"
                    ),
                ],
            },
        ),
    ]
