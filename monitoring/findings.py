"""Findings: what is not as it should be, why, and what to do about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from monitoring.models import Acknowledgement
from monitoring.serialization import instant_text

Level = Literal["info", "warning", "critical"]

NONE_KNOWN: Final[dict[str, Acknowledgement]] = {}

_ORDER: Final = {"critical": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class Finding:
    """Something that an operator should know, and do.

    Args:
        id: stays the same as long as it is the same finding: ``kind:subject``.
        level: ``info`` wakes nobody.
        title: one line.
        evidence: the figures it rests on; never empty.
        action: the exact command, SQL or setting.
        acknowledged: by whom, when and why it is left as it is.
    """

    id: str
    level: Level
    title: str
    evidence: Mapping[str, Any]
    action: str
    acknowledged: Mapping[str, str] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the finding as the endpoint shows it."""
        shown = {
            "id": self.id,
            "level": self.level,
            "title": self.title,
            "evidence": dict(self.evidence),
            "action": self.action,
        }
        return {**shown, "acknowledged": dict(self.acknowledged)} if self.acknowledged else shown


def acknowledgements() -> dict[str, Acknowledgement]:
    """Return what was acknowledged, by the finding's id."""
    return {each.finding: each for each in Acknowledgement.objects.all()}


def acknowledge(finding: str, reason: str, by: str) -> None:
    """Note that a finding is known and stays; a new reason takes the place of an old one."""
    Acknowledgement.objects.update_or_create(finding=finding, defaults={"reason": reason, "by": by})


def forget(finding: str) -> bool:
    """Take an acknowledgement back; tell whether there was one."""
    deleted, _ = Acknowledgement.objects.filter(finding=finding).delete()
    return bool(deleted)


def settled(findings: Iterable[Finding], known: Mapping[str, Acknowledgement]) -> tuple[Finding, ...]:
    """Return the findings, the gravest first; those that were acknowledged are ``info``, with the reason."""
    shown = [_with(finding, known.get(finding.id)) for finding in findings]
    return tuple(sorted(shown, key=lambda finding: (_ORDER[finding.level], finding.id)))


def _with(finding: Finding, known: Acknowledgement | None) -> Finding:
    if known is None:
        return finding
    reason = {"reason": known.reason, "by": known.by, "at": instant_text(known.at)}
    return replace(finding, level="info", acknowledged=reason)
