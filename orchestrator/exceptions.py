"""What can go wrong in the domain, told without HTTP."""

from orchestrator.choices import JobStatus


class DomainError(Exception):
    """A request that the domain's rules refuse; nothing was changed."""


class TransitionNotAllowed(DomainError):
    """A status was asked for that may not follow the job's."""

    def __init__(self, current: JobStatus, wanted: JobStatus, allowed: tuple[JobStatus, ...]) -> None:
        self.current = current
        self.wanted = wanted
        self.allowed = allowed
        names = ", ".join(allowed) or "none, it is final"
        super().__init__(f"A {current} job cannot become {wanted}; allowed: {names}.")


class LeaseLost(DomainError):
    """A worker reported with a lease token that is not, or no longer, the job's."""

    def __init__(self) -> None:
        super().__init__("This lease token is not, or no longer, the job's.")


class PreconditionFailed(DomainError):
    """A change was based on a version of a row that is not the present one."""

    def __init__(self, current: str) -> None:
        super().__init__(f"This has changed since you read it; its entity tag is {current} now.")


class EditConflict(DomainError):
    """A person saves what somebody else has changed since they opened it."""

    def __init__(self, seen: int | None, current: int) -> None:
        super().__init__(
            f"Somebody has changed this since you opened it: you saw version {seen}, it is at {current} now. "
            "Nothing was saved; open it again and repeat your change."
        )


class DuplicateValue(DomainError):
    """A value was asked for that only one row may have, and another one has it."""

    def __init__(self, field: str, value: str) -> None:
        self.field = field
        super().__init__(f'"{value}" is taken; allowed: one that no other user has.')


class LastAdmin(DomainError):
    """A change would leave nobody who can manage users."""

    def __init__(self) -> None:
        super().__init__(
            "This is the last active admin, who must stay one; make somebody else an admin first."
        )
