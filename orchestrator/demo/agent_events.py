"""Events that agents report about themselves. They belong to no job."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from random import Random
from types import MappingProxyType
from typing import Any, Final

from orchestrator.demo.randomness import ages, random_id
from orchestrator.demo.vocabulary import AGENTS, SUBJECTS
from orchestrator.models import Event

#: By event type: the possible values of its payload's fields besides the agent.
_REPORTS: Final[Mapping[str, dict[str, tuple[Any, ...]]]] = MappingProxyType(
    {
        "agent_checked_in": {"version": ("2.11.0", "2.12.3", "2.14.1")},
        "agent_started": {"reason": ("deploy", "restart", "scaled up")},
        "approval_requested": {"service": SUBJECTS["service"], "risk": ("low", "medium", "high")},
        "artifact_stored": {"bucket": ("artifacts", "reports"), "kilobytes": (4, 18, 250)},
        "budget_warning": {"team": SUBJECTS["team"], "used_percent": (80, 90, 95)},
        "rate_limited": {"upstream": ("crm", "git", "mail"), "retry_after": (30, 60, 300)},
        "webhook_received": {"source": ("git", "helpdesk", "shop", "bank")},
    }
)


def agent_events(random: Random, total: int, until: datetime) -> Iterator[Event]:
    """Yield ``total`` events that were created before ``until``, oldest first."""
    for age in ages(random, total):
        event_type, fields = random.choice(list(_REPORTS.items()))
        values = {name: random.choice(choices) for name, choices in fields.items()}
        yield Event(
            id=random_id(random, until - age),
            type=event_type,
            payload={"agent": random.choice(AGENTS), **values},
            created_at=until - age,
        )
