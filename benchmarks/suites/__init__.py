"""The suites, by the name that ``ONLY=`` takes."""

from collections.abc import Callable

from benchmarks.lab import Lab
from benchmarks.options import Options
from benchmarks.results import Report
from benchmarks.suites import growth, lists, memory, report_queries, writes

Suite = Callable[[Lab, Options], Report]

SUITES: dict[str, Suite] = {
    "lists": lists.run,
    "writes": writes.run,
    "memory": memory.run,
    "queries": report_queries.run,
    "growth": growth.run,
}
