"""What each list offers: one declaration each.

A new filter is one line here, and an index in the model's ``Meta`` to serve it together with an order. The
API's filter and its documentation, the console's list, the page's statement, the hot queries and their tests
follow.
"""

from typing import Final

from orchestrator.lists.events import EVENTS, JOB_HISTORY
from orchestrator.lists.jobs import JOBS
from orchestrator.lists.tasks import TASKS
from orchestrator.lists.users import USERS

#: Every list. A job's history is one of its own, whose filter is in the URL's path.
LISTS: Final = (JOBS, EVENTS, TASKS, USERS, JOB_HISTORY)

__all__ = ["EVENTS", "JOBS", "JOB_HISTORY", "LISTS", "TASKS", "USERS"]
