"""How long, large, deep and many: the limits of what clients may send and ask for."""

from typing import Final

MIN_INT32: Final = -(2**31)
MAX_INT32: Final = 2**31 - 1

#: Bytes of a job's metadata or an event's payload, as compact UTF-8 JSON.
MAX_JSON_BYTES: Final = 64 * 1024
#: Levels of objects and lists in it, the outermost included.
MAX_JSON_DEPTH: Final = 100

#: Levels in a whole body. Far below what exhausts the stack, above what a field's own limit answers for.
MAX_BODY_DEPTH: Final = 2 * MAX_JSON_DEPTH

#: Characters of a queue's name.
MAX_QUEUE_LENGTH: Final = 100
#: The progress of a job whose work is done.
MAX_PROGRESS: Final = 100
#: Expired leases that a job may be allowed before it fails.
MAX_MAX_ATTEMPTS: Final = 100

#: Characters of the reason given for a change of status.
MAX_REASON_LENGTH: Final = 1024
MAX_USERNAME_LENGTH: Final = 150
#: Hashing takes longer for longer passwords; none that a person or a key ring makes is near this.
MAX_PASSWORD_LENGTH: Final = 4096
MAX_TOKEN_LENGTH: Final = 4096

#: Rows in a page of a list.
DEFAULT_PAGE_SIZE: Final = 100
MAX_PAGE_SIZE: Final = 1000

#: Rows that "recent events" has at most.
MAX_RECENT_EVENTS: Final = 100
