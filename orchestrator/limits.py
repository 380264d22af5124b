"""How long, large, deep and many: the limits of what clients may send and ask for."""

from typing import Final

INT32_SMALLEST: Final = -(2**31)
INT32_LARGEST: Final = 2**31 - 1

#: Bytes of a job's metadata or an event's payload, as compact UTF-8 JSON.
JSON_LARGEST_BYTES: Final = 64 * 1024
#: Levels of objects and lists in it, the outermost included.
JSON_DEEPEST: Final = 100

#: Levels in a whole body. Far below what exhausts the stack, above what a field's own limit answers for.
BODY_DEEPEST: Final = 2 * JSON_DEEPEST

#: Characters of a queue's name.
MAX_QUEUE_LENGTH: Final = 100
#: The progress of a job whose work is done.
MAX_PROGRESS: Final = 100
#: Expired leases that a job may be allowed before it fails.
MAX_MAX_ATTEMPTS: Final = 100

#: Characters of the reason given for a change of status.
REASON_LONGEST: Final = 1024
USERNAME_LONGEST: Final = 150
#: Hashing takes longer for longer passwords; none that a person or a key ring makes is near this.
PASSWORD_LONGEST: Final = 4096
TOKEN_LONGEST: Final = 4096

#: Rows in a page of a list.
PAGE_DEFAULT: Final = 100
PAGE_LARGEST: Final = 1000

#: Rows that "recent events" has at most.
RECENT_LARGEST: Final = 100
