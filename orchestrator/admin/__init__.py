"""The tables in the admin: moderators manage jobs and tasks and read the rest; admins also manage users."""

from orchestrator.admin import events, jobs, tasks, users

__all__ = ["events", "jobs", "tasks", "users"]
