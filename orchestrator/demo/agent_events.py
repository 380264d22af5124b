"""Events that agents report of themselves and their surroundings: they belong to no job."""

from collections.abc import Mapping
from itertools import product
from types import MappingProxyType
from typing import Any, Final

from orchestrator.demo.row_values import Row, format_timestamp, id_tails, json_text, new_id, stream
from orchestrator.demo.timeline import Timeline
from orchestrator.demo.vocabulary import AGENTS, SUBJECTS, WORKERS

_VERSIONS: Final = ("2.11.0", "2.12.3", "2.14.1")

#: Types, how frequent each is, and what its payload may say beside the agent.
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


class AgentEvents:
    """The events of a plan that belong to no job."""

    def __init__(self, names: tuple[object, ...], total: int, until: int) -> None:
        """Take the measures of the whole, so that any part of it can be made.

        Args:
            names: what the random numbers belong to.
            total: how many of them there are.
            until: the instant that everything happened before, in microseconds.
        """
        self._names = (*names, "agents", total)
        self._timeline = Timeline(stream(*names, "timeline"))
        self._total = total
        self._until = until

    def rows(self, first: int, last: int) -> list[Row]:
        """Return the rows of the events numbered ``first`` to ``last`` (exclusive), in ``EVENT_COLUMNS``."""
        random = stream(*self._names, first)
        ages = self._timeline.ages(random, first, last, self._total)
        reports = random.choices(_POOL, weights=_WEIGHTS, k=last - first)
        rows: list[Row] = []
        for age, (name, payload), tail in zip(ages, reports, id_tails(random, last - first), strict=True):
            instant = self._until - age
            rows.append((new_id(instant, tail), name, payload, format_timestamp(instant), None))
        return rows


def _payloads(choices: dict[str, tuple[Any, ...]]) -> list[str]:
    """Return every payload that the choices allow, for every agent."""
    return [
        json_text({"agent": agent, **dict(zip(choices, values, strict=True))})
        for agent, *values in product(AGENTS, *choices.values())
    ]


_POOL: Final = [(name, payload) for name, (_, choices) in _REPORTS.items() for payload in _payloads(choices)]
_WEIGHTS: Final = [
    share / len(payloads)
    for share, choices in _REPORTS.values()
    for payloads in (_payloads(choices),)
    for _ in payloads
]
