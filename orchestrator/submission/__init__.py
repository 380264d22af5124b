"""The submission of jobs: one or many in a transaction, and only once for each idempotency key."""
