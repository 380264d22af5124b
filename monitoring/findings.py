"""Findings: a problem or a recommendation, with its evidence and the action to take."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from monitoring.formatting import iso_timestamp
from monitoring.models import Acknowledgement

Level = Literal["info", "warning", "critical"]

#: Prefixes of the ids of findings about single queries.
ABOUT_QUERIES: Final = ("plan:", "statement:", "repeated:", "index:")

_SEVERITY: Final = {"critical": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class Finding:
    """Something that an operator should know and act on.

    Args:
        id: ``kind:subject``; the same finding always has the same id.
        level: ``critical``: act now; ``warning``: act today; ``info``: act when there is time.
        evidence: the figures behind the finding; never empty.
        action: the exact command, SQL or setting.
        acknowledged: who acknowledged it, when and why; None if it is not acknowledged.
    """

    id: str
    level: Level
    title: str
    evidence: Mapping[str, Any]
    action: str
    acknowledged: Mapping[str, str] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the finding as the endpoint shows it."""
        return {name: value for name, value in vars(self).items() if name != "acknowledged" or value}


def acknowledgements() -> dict[str, Acknowledgement]:
    """Return all acknowledgements by the id of their finding."""
    return {each.finding: each for each in Acknowledgement.objects.all()}


def acknowledge(finding: str, reason: str, by: str) -> None:
    """Record that a finding is known and accepted. A new reason replaces the old one."""
    Acknowledgement.objects.update_or_create(finding=finding, defaults={"reason": reason, "by": by})


def unacknowledge(finding: str) -> bool:
    """Delete a finding's acknowledgement; return whether there was one."""
    deleted, _ = Acknowledgement.objects.filter(finding=finding).delete()
    return bool(deleted)


def by_severity(findings: Iterable[Finding], known: Mapping[str, Acknowledgement]) -> tuple[Finding, ...]:
    """Return the findings, the most severe first. Acknowledged ones are ``info`` and carry the reason."""
    shown = [_with_acknowledgement(finding, known.get(finding.id)) for finding in findings]
    return tuple(sorted(shown, key=lambda finding: (_SEVERITY[finding.level], finding.id)))


def _with_acknowledgement(finding: Finding, known: Acknowledgement | None) -> Finding:
    if known is None:
        return finding
    reason = {"reason": known.reason, "by": known.by, "at": iso_timestamp(known.at)}
    return replace(finding, level="info", acknowledged=reason)
