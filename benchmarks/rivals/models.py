"""Plain models of the service's tables."""

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


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
