"""The suites by name, as ``ONLY=`` takes them."""

from collections.abc import Callable

from benchmarks.options import Options
from benchmarks.suite_report import SuiteReport
from benchmarks.suites import (
    archive,
    claim_growth,
    event_stream,
    job_claims,
    job_writes,
    list_reads,
    partition_writes,
    replica_reads,
    report_queries,
    table_growth,
    worker_memory,
)
from benchmarks.testbed import Testbed

Suite = Callable[[Testbed, Options], SuiteReport]

SUITES: dict[str, Suite] = {
    "lists": list_reads.run,
    "writes": job_writes.run,
    "claims": job_claims.run,
    "memory": worker_memory.run,
    "queries": report_queries.run,
    "growth": table_growth.run,
    "stream": event_stream.run,
    "claim_growth": claim_growth.run,
    "archive": archive.run,
    "partitions": partition_writes.run,
    "replica_reads": replica_reads.run,
}
