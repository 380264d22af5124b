"""Events that agents report about themselves. They belong to no job."""

from collections.abc import Mapping
from itertools import product
from types import MappingProxyType
from typing import Any, Final

from orchestrator.demo.row_values import Row, format_timestamp, id_tails, json_text, new_id, seeded_random
from orchestrator.demo.timeline import Timeline
from orchestrator.demo.vocabulary import AGENTS, SUBJECTS, WORKERS

_VERSIONS: Final = ("2.11.0", "2.12.3", "2.14.1")

#: By event type: its weight, and the possible values of its payload's other fields beside the agent.
_REPORTS: Final[Mapping[str, tuple[int, dict[str, tuple[Any, ...]]]]] = MappingProxyType(
    {
        "agent_checked_in": (40, {"version": _VERSIONS}),
        "agent_started": (6, {"version": _VERSIONS, "reason": ("deploy", "restart", "scaled up")}),
        "agent_stopped": (5, {"reason": ("deploy", "scaled down", "signal 15")}),
        "artifact_stored": (
            24,
            {"bucket": ("artifacts", "reports"), "media_type": ("text/markdown", "application/json")},
        ),
        "budget_warning": (3, {"used_percent": (80, 90, 95), "team": SUBJECTS["team"]}),
        "approval_requested": (5, {"service": SUBJECTS["service"], "risk": ("low", "medium", "high")}),
        "model_switched": (2, {"from": SUBJECTS["model"][:3], "to": SUBJECTS["model"][3:]}),
        "rate_limited": (
            9,
            {"upstream": ("crm", "git", "mail", "llm-gateway"), "retry_after": (30, 60, 300)},
        ),
        "webhook_received": (18, {"source": ("git", "helpdesk", "shop", "bank")}),
        "worker_drained": (
            2,
            {"worker": WORKERS["gpu"], "reason": ("maintenance", "spot instance reclaimed")},
        ),
    }
)


class AgentEventGenerator:
    """Generates the events of a plan that belong to no job."""

    def __init__(self, seed_key: tuple[object, ...], total: int, until: int) -> None:
        """Prepare to generate any range of the rows.

        Args:
            seed_key: seed of the random numbers.
            total: number of events.
            until: the end of the data; everything happened before it. In microseconds.
        """
        self._seed_key = (*seed_key, "agents", total)
        self._timeline = Timeline(seeded_random(*seed_key, "timeline"))
        self._total = total
        self._until = until

    def rows(self, first: int, last: int) -> list[Row]:
        """Return the rows of the events numbered ``first`` to ``last`` (exclusive), in ``EVENT_COLUMNS``."""
        random = seeded_random(*self._seed_key, first)
        ages = self._timeline.ages(random, first, last, self._total)
        reports = random.choices(_POOL, weights=_WEIGHTS, k=last - first)
        rows: list[Row] = []
        for age, (name, payload), tail in zip(ages, reports, id_tails(random, last - first), strict=True):
            created = self._until - age
            rows.append((new_id(created, tail), name, payload, format_timestamp(created), None))
        return rows


def _payloads(choices: dict[str, tuple[Any, ...]]) -> list[str]:
    """Return every combination of the choices, for every agent."""
    return [
        json_text({"agent": agent, **dict(zip(choices, values, strict=True))})
        for agent, *values in product(AGENTS, *choices.values())
    ]


_POOL: Final = [(name, payload) for name, (_, choices) in _REPORTS.items() for payload in _payloads(choices)]
_WEIGHTS: Final = [
    weight / len(payloads)
    for weight, choices in _REPORTS.values()
    for payloads in (_payloads(choices),)
    for _ in payloads
]
