"""Procrastinate's fetch and finish of jobs, straight from its functions in the database.

It reads a JSON object from standard input, as `benchmarks.suites.job_claims` writes it, and prints the result
as JSON.
"""

import asyncio
import json
import sys
import time
from typing import Any

from procrastinate import App, PsycopgConnector
from procrastinate.jobs import Status
from procrastinate.manager import JobManager

_TOP_UP = """
    INSERT INTO procrastinate_jobs (queue_name, task_name)
    SELECT 'default', 'task' FROM generate_series(
        1, %(pending)s - (SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo')
    )
"""


async def measure(spec: dict[str, Any]) -> dict[str, float]:
    """Let coroutines work for some seconds; return the number of their jobs, and how many seconds it took."""
    workers = spec["workers"]
    connector = PsycopgConnector(conninfo=spec["url"], min_size=workers, max_size=workers)
    app = App(connector=connector)
    async with app.open_async():
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()
        await connector.execute_query_async(_TOP_UP, pending=spec["pending"])
        await connector.execute_query_async("ANALYZE procrastinate_jobs")
        ids = [await app.job_manager.register_worker() for _ in range(workers)]
        began = time.perf_counter()
        done = await asyncio.gather(*(_work(spec, app.job_manager, worker) for worker in ids))
        return {"jobs": sum(done), "seconds": time.perf_counter() - began}


async def _work(spec: dict[str, Any], manager: JobManager, worker: int) -> int:
    jobs, began = 0, time.perf_counter()
    while time.perf_counter() - began < spec["seconds"]:
        job = await manager.fetch_job(None, worker)
        if job is None:
            raise RuntimeError("no job is left; give the queue more, or measure for fewer seconds")
        if spec["complete"]:
            await manager.finish_job(job, Status.SUCCEEDED, delete_job=False)
        jobs += 1
    return jobs


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(measure(json.load(sys.stdin)))))
