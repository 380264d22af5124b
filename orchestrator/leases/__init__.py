"""Leases: which worker has which job, and until when (docs/leases.md)."""
