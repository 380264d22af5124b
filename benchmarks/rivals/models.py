"""Plain models of the service's tables, and the table of jobs that a user of plain DRF would have."""

import uuid
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils import timezone


class User(AbstractBaseUser):
    """A user, with the columns that token authentication needs."""

    id = models.UUIDField(primary_key=True)
    username = models.CharField(max_length=150)
    active = models.BooleanField()

    objects = BaseUserManager()

    USERNAME_FIELD = "username"

    class Meta:
        managed = False
        db_table = "users"

    @property
    def is_active(self) -> bool:
        """Return whether the user may sign in."""
        return self.active


class Job(models.Model):
    """A job, with all columns that the API shows."""

    id = models.UUIDField(primary_key=True)
    name = models.CharField(max_length=255)
    description = models.CharField(max_length=1024)
    status = models.CharField(max_length=16)
    priority = models.IntegerField()
    queue = models.CharField(max_length=100)
    metadata = models.JSONField()
    result = models.JSONField(null=True)
    progress = models.PositiveSmallIntegerField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    available_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField()
    max_attempts = models.PositiveSmallIntegerField()
    worker = models.CharField(max_length=255, null=True)  # noqa: DJ001 - the column is nullable
    lease_expires_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "jobs"
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.name


class ReportJob(models.Model):
    """A job as in DRF's tutorial, in a table of its own with the indexes of the performance report."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=255)
    description = models.CharField(max_length=1024, blank=True, default="")
    status = models.CharField(max_length=16, default="pending")
    priority = models.IntegerField(default=0)
    queue = models.CharField(max_length=100, default="default")
    metadata = models.JSONField(default=dict, blank=True)
    result = models.JSONField(null=True, blank=True)
    progress = models.PositiveSmallIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    available_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=3)
    worker = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - as in the service
    lease_expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "report_jobs"
        indexes: ClassVar = [
            models.Index(fields=fields, name=f"ix_report_jobs_{number}")
            for number, fields in enumerate(
                (
                    ["created_at"],
                    ["status"],
                    ["priority"],
                    ["status", "priority"],
                    ["status", "created_at"],
                    ["priority", "created_at"],
                    ["started_at"],
                    ["completed_at"],
                )
            )
        ]

    def __str__(self) -> str:
        return self.name
