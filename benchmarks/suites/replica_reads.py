"""Reads that the cache does not serve, from the primary and from a replica."""

import http.client
import re
from contextlib import ExitStack
from dataclasses import dataclass, replace

import psutil

from benchmarks.api_client import ApiClient
from benchmarks.load import LoadResult, RequestSpec
from benchmarks.options import Options
from benchmarks.suite_report import Sample, SuiteReport, format_cpu, format_number
from benchmarks.testbed import POSTGRES_SETTINGS, Deployment, Testbed
from benchmarks.web_server import MeasuredServer
from tests.servers.postgres import PostgresReplica, PostgresServer
from tests.servers.web import HOST

CONNECTIONS = (1, 8)
REPLICAS = (0, 1)
LIST, DETAIL = "list of 100 jobs", "one job"
METRICS_TOKEN = "a metrics token of the benchmarks"  # noqa: S105 - of temporary servers
_USED = re.compile(r'^kyros_replica_reads_total\{outcome="used",replica="replica1"\} ([\d.]+)$', re.MULTILINE)


@dataclass(frozen=True)
class Key:
    """What a measurement is of."""

    read: str
    connections: int
    replicas: int

    def __str__(self) -> str:
        name = "from the replica" if self.replicas else "from the primary"
        return f"{self.read}, {self.connections} connections, {name}"


@dataclass(frozen=True)
class Measurement:
    """The load of one round, and what the database servers did for it.

    Args:
        load: throughput and latency.
        primary_ms: processor time of the primary per request, in milliseconds.
        replica_ms: that of the replica.
        used: the share of the requests that the replica served.
    """

    load: LoadResult
    primary_ms: float
    replica_ms: float
    used: float


Results = dict[Key, list[Measurement]]


def run(testbed: Testbed, options: Options) -> SuiteReport:
    """Measure both reads with and without a replica, over one and over eight connections, in every round."""
    results: Results = {}
    with ExitStack() as stack:
        seeded = testbed.copy(testbed.seeded("postgres", options.jobs), "replica_reads")
        replica = PostgresReplica(testbed.postgres, testbed.folder / "replica", POSTGRES_SETTINGS)
        stack.callback(replica.close)
        replica.start()
        servers = {number: _start(stack, testbed, seeded, replica, number) for number in REPLICAS}
        requests = _requests(servers[0], seeded)
        keys = [Key(read, number, each) for read in requests for number in CONNECTIONS for each in REPLICAS]
        for round_number in range(-1, options.rounds):
            for key in keys:
                seconds = options.seconds if round_number >= 0 else 1  # round -1 warms up
                databases = (testbed.postgres, replica)
                measured = _measure(servers[key.replicas], databases, requests[key.read], key, seconds)
                if round_number >= 0:
                    results.setdefault(key, []).append(measured)
    return _report(results)


def _start(
    stack: ExitStack, testbed: Testbed, seeded: Deployment, replica: PostgresReplica, replicas: int
) -> MeasuredServer:
    urls = replica.url(seeded.name) if replicas else ""
    own = {"REDIS_URL": "none", "DATABASE_REPLICA_URLS": urls, "METRICS_TOKEN": METRICS_TOKEN}
    deployment = replace(seeded, environment={**seeded.environment, **own})
    return stack.enter_context(MeasuredServer(deployment, testbed.folder / seeded.name))


def _requests(server: MeasuredServer, deployment: Deployment) -> dict[str, RequestSpec]:
    with ApiClient(server.port, deployment.token) as client:
        (job,) = client.request("GET", "/api/v1/jobs/?limit=1").json()["results"]
    headers = {"Authorization": f"Bearer {deployment.token}", "Accept": "application/json"}
    paths = {LIST: "/api/v1/jobs/", DETAIL: f"/api/v1/jobs/{job['id']}/"}
    return {read: RequestSpec(path, headers=headers) for read, path in paths.items()}


def _measure(
    server: MeasuredServer,
    databases: tuple[PostgresServer, PostgresServer],
    request: RequestSpec,
    key: Key,
    seconds: float,
) -> Measurement:
    used = _used(server)
    before = [_cpu_seconds(each) for each in databases]
    load = server.run_load(request, seconds=seconds, connections=key.connections)
    after = [_cpu_seconds(each) for each in databases]
    primary, replica = ((now - then) * 1000 / load.requests for then, now in zip(before, after, strict=True))
    return Measurement(load, primary, replica, (_used(server) - used) / load.requests)


def _cpu_seconds(server: PostgresServer) -> float:
    """Return the processor time of a server's processes so far; its pools keep the processes."""
    processes = psutil.Process(server.pid).children(recursive=True)
    return float(sum(sum(process.cpu_times()[:2]) for process in processes))


def _used(server: MeasuredServer) -> float:
    """Return how many reads the replica has served."""
    connection = http.client.HTTPConnection(HOST, server.port, timeout=30)
    connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
    found = _USED.search(connection.getresponse().read().decode())
    connection.close()
    return float(found[1]) if found else 0.0


def _report(results: Results) -> SuiteReport:
    rates = {key: Sample([each.load.requests_per_second for each in found]) for key, found in results.items()}
    return SuiteReport(
        title="Reads without the cache, PostgreSQL, one worker (medians of the rounds)",
        columns=(
            "read",
            "requests/s",
            "min to max",
            "x from the primary",
            "p50 ms",
            "CPU ms, worker",
            "CPU ms, primary",
            "CPU ms, replica",
            "from the replica",
        ),
        rows=[
            (
                str(key),
                format_number(rate.median),
                rate.spread(),
                format_number(rate.ratio_to(rates[replace(key, replicas=0)]).median),
                format_number(Sample([each.load.p50_ms for each in results[key]]).median),
                format_cpu([each.load for each in results[key]]),
                format_number(Sample([each.primary_ms for each in results[key]]).median),
                format_number(Sample([each.replica_ms for each in results[key]]).median),
                f"{Sample([each.used for each in results[key]]).median:.0%}",
            )
            for key, rate in rates.items()
        ],
        goals=[],
        measurements={
            str(key): [{**vars(each.load), **vars(each), "load": None} for each in found]
            for key, found in results.items()
        },
    )
