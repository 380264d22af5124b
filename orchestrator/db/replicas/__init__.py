"""Reads from replicas that show exactly what the primary shows (``docs/replicas.md``)."""

from orchestrator.db.replicas.reading import read

__all__ = ["read"]
