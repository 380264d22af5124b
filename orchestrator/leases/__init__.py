"""Leases: which worker has which job, and until when (docs/leases.md)."""

from orchestrator.leases.claim import claim
from orchestrator.leases.heartbeat import heartbeat

__all__ = ["claim", "heartbeat"]
