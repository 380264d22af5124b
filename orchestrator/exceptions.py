"""Errors of the domain, without HTTP."""

from orchestrator.choices import JobStatus


class DomainError(Exception):
    """A rule of the domain refuses a request; nothing was changed."""


class TransitionNotAllowed(DomainError):
    """The requested status may not follow the job's current one."""

    def __init__(self, current: JobStatus, requested: JobStatus, allowed: tuple[JobStatus, ...]) -> None:
        self.current = current
        self.allowed = allowed
        names = ", ".join(allowed) or "none, it is final"
        super().__init__(f"A {current} job cannot become {requested}. Allowed: {names}.")


class LeaseLost(DomainError):
    """A worker sent a token that is not the current one, or a heartbeat for a job that is not running."""

    def __init__(self, status: JobStatus) -> None:
        self.status = status
        super().__init__(f"This lease token is no longer valid: the job is {status}.")


class PreconditionFailed(DomainError):
    """A change was based on an outdated representation of a row."""

    def __init__(self, current: str) -> None:
        super().__init__(f"This has changed since you read it. Its ETag is now {current}.")


class EditConflict(DomainError):
    """A user saved a form for a row that another user has changed since the form was opened."""

    def __init__(self, seen: int | None, current: int) -> None:
        super().__init__(
            f"Another user has changed this since you opened it: you saw version {seen}, it is now at "
            f"version {current}. Nothing was saved. Open it again and repeat your change."
        )


class DuplicateValue(DomainError):
    """A value that must be unique is in use by another row."""

    def __init__(self, field: str, value: str) -> None:
        self.field = field
        super().__init__(f'"{value}" is already in use by another user.')


class LastAdmin(DomainError):
    """A change would leave no admin who can sign in."""

    def __init__(self) -> None:
        super().__init__("This is the last admin who can sign in. Make another user an admin first.")


class IdempotencyKeyReused(DomainError):
    """A client sent an idempotency key again, with another request."""

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was sent with another request, and a new request needs a new key. "
            "Nothing was stored."
        )


class SubmittedJobsDeleted(DomainError):
    """A request was repeated after jobs that its first attempt created had been deleted."""

    def __init__(self) -> None:
        super().__init__(
            "The request with this Idempotency-Key was carried out; jobs that it created are deleted."
        )


class ArchiveError(Exception):
    """The archive cannot go on; no row was lost. The message names what is wrong."""


class ArchiveBusy(ArchiveError):
    """Another process archives or restores."""
