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
