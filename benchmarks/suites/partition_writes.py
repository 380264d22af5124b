"""Writes and reads of events on PostgreSQL, with the plain table and with one that is partitioned by week."""

import json
from contextlib import ExitStack
from dataclasses import dataclass, replace

from benchmarks.load import LoadResult, RequestSpec
from benchmarks.options import Options
from benchmarks.suite_report import Sample, SuiteReport, format_cpu, format_number
from benchmarks.testbed import Deployment, Testbed
from benchmarks.web_server import MeasuredServer

CONNECTIONS = (1, 8)
PLAIN, PARTITIONED = "plain", "partitioned"
#: By operation: method, path and body. The reads are not cached.
OPERATIONS = {
    "POST an event": ("POST", "/api/v1/events/", {"type": "benchmark", "payload": {"step": 7}}),
    "POST a job": ("POST", "/api/v1/jobs/", {"name": "nightly report", "priority": 5}),
    "GET events": ("GET", "/api/v1/events/", None),
    "GET events of a type": ("GET", "/api/v1/events/?type=job_failed", None),
}


@dataclass(frozen=True)
class EventLoad:
    """What a measurement is of."""

    connections: int
    operation: str
    table: str

    def __str__(self) -> str:
        return f"{self.operation}, {self.connections} connections, {self.table}"


Results = dict[EventLoad, list[LoadResult]]


def run(testbed: Testbed, options: Options) -> SuiteReport:
    """Measure both forms of the table in every round."""
    results: Results = {}
    with ExitStack() as stack:
        servers = {table: _start(stack, testbed, table, options) for table in (PLAIN, PARTITIONED)}
        for round_number in range(-1, options.rounds):
            for connections in CONNECTIONS:
                for operation in OPERATIONS:
                    for table, (server, deployment) in servers.items():
                        request = _request(deployment, operation)
                        result = server.run_load(request, seconds=options.seconds, connections=connections)
                        if round_number >= 0:  # round -1 warms up
                            results.setdefault(EventLoad(connections, operation, table), []).append(result)
    return _report(results)


def _start(
    stack: ExitStack, testbed: Testbed, table: str, options: Options
) -> tuple[MeasuredServer, Deployment]:
    deployment = testbed.copy(testbed.seeded("postgres", options.jobs), f"postgres_events_{table}")
    uncached = {**deployment.environment, "REDIS_URL": "none", "PARTITION_EVENTS_BY": "week"}
    deployment = replace(deployment, environment=uncached)
    if table == PARTITIONED:
        deployment.run_step("partition_by_week")
    folder = testbed.folder / deployment.name
    return stack.enter_context(MeasuredServer(deployment, folder)), deployment


def _request(deployment: Deployment, operation: str) -> RequestSpec:
    method, path, body = OPERATIONS[operation]
    headers = {"Authorization": f"Bearer {deployment.token}", "Content-Type": "application/json"}
    return RequestSpec(path, method, headers, json.dumps(body) if body else "")


def _report(results: Results) -> SuiteReport:
    samples = {
        load: Sample([result.requests_per_second for result in measured])
        for load, measured in results.items()
    }
    return SuiteReport(
        title="Events on PostgreSQL, plain and partitioned, one worker without cache (medians of the rounds)",
        columns=("operation", "requests/s", "min to max", "x plain", "CPU ms", "p99 ms"),
        rows=[
            (
                str(load),
                format_number(sample.median),
                sample.spread(),
                format_number(sample.ratio_to(samples[replace(load, table=PLAIN)]).median),
                format_cpu(results[load]),
                format_number(Sample([result.p99_ms for result in results[load]]).median),
            )
            for load, sample in samples.items()
        ],
        goals=[],
        measurements={str(load): [vars(result) for result in measured] for load, measured in results.items()},
    )
