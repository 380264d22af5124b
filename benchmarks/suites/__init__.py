"""The suites, by the name that ``ONLY=`` takes."""

from collections.abc import Callable

from benchmarks.options import Options
from benchmarks.suite_report import Report
from benchmarks.suites import job_writes, list_reads, report_queries, table_growth, worker_memory
from benchmarks.testbed import Lab

Suite = Callable[[Lab, Options], Report]

SUITES: dict[str, Suite] = {
    "lists": list_reads.run,
    "writes": job_writes.run,
    "memory": worker_memory.run,
    "queries": report_queries.run,
    "growth": table_growth.run,
}
