"""Limits of what clients may send and request."""

from typing import Final

MIN_INT32: Final = -(2**31)
MAX_INT32: Final = 2**31 - 1

#: Size of a job's metadata or result, or of an event's payload, as compact UTF-8 JSON.
MAX_JSON_BYTES: Final = 64 * 1024
#: Levels of nested objects and lists in such a value, the outermost included.
MAX_JSON_DEPTH: Final = 100

#: Levels in a whole request body: far fewer than would exhaust the stack, and enough that a value that is
#: nested too deep gets its own field's error message.
MAX_BODY_DEPTH: Final = 2 * MAX_JSON_DEPTH

#: Characters in a queue's name.
MAX_QUEUE_LENGTH: Final = 100
#: The progress of a job whose work is done.
MAX_PROGRESS: Final = 100
#: The highest ``max_attempts`` of a job.
MAX_MAX_ATTEMPTS: Final = 100

#: Characters in a worker's name.
MAX_WORKER_LENGTH: Final = 255
#: Jobs in one claim, and queues that it names.
MAX_CLAIMED_JOBS: Final = 100
MAX_CLAIMED_QUEUES: Final = 100
#: Seconds of a lease.
MIN_LEASE_SECONDS: Final = 5
MAX_LEASE_SECONDS: Final = 3600
DEFAULT_LEASE_SECONDS: Final = 60

#: Characters in the reason for a change.
MAX_REASON_LENGTH: Final = 1024
MAX_USERNAME_LENGTH: Final = 150
#: Hashing takes longer for longer passwords. No person or password manager makes one that is this long.
MAX_PASSWORD_LENGTH: Final = 4096
MAX_TOKEN_LENGTH: Final = 4096

#: Rows in a page of a list.
DEFAULT_PAGE_SIZE: Final = 100
MAX_PAGE_SIZE: Final = 1000

#: Rows in the list of recent events.
MAX_RECENT_EVENTS: Final = 100

#: Jobs that one request may submit.
MAX_BATCH_JOBS: Final = 1000
#: Characters in an idempotency key.
MAX_IDEMPOTENCY_KEY_LENGTH: Final = 255
#: Seconds for which an idempotency key is kept: a day.
IDEMPOTENCY_KEY_SECONDS: Final = 86_400
