"""A client that changes jobs and events until it is killed: `python writer.py URL SEED`."""

import random
import sys
import uuid

import psycopg

STATUSES = ("pending", "running", "completed", "failed", "cancelled")
ADD_JOBS = """
    INSERT INTO jobs (id, name, description, status, priority, metadata, created_at, updated_at, started_at,
                      completed_at, attempts, max_attempts)
    SELECT gen_random_uuid(), 'x', '', %s, 0, '{}', now(), now(), now(), now(), 0, 3
    FROM generate_series(1, %s)
"""
ADD_EVENTS = "INSERT INTO events (id, type, payload, created_at) SELECT gen_random_uuid(), 'x', '{}', now()"
SOME = "id IN (SELECT id FROM {} WHERE id > %s LIMIT %s FOR UPDATE SKIP LOCKED)"


def change(connection: "psycopg.Connection[tuple[object, ...]]", rng: random.Random) -> None:
    """Make a random change that never waits for another writer's row."""
    number, status, somewhere = (
        rng.randint(0, 5),
        rng.choice(STATUSES),
        uuid.UUID(int=rng.getrandbits(128)),
    )
    match rng.randint(0, 5):
        case 0:
            connection.execute(ADD_JOBS, [status, number])
        case 1:
            connection.execute(
                "UPDATE jobs SET status = %s, started_at = now(), completed_at = now()"  # noqa: S608
                f" WHERE {SOME.format('jobs')}",
                [status, somewhere, number],
            )
        case 2:
            connection.execute(f"DELETE FROM jobs WHERE {SOME.format('jobs')}", [somewhere, number])  # noqa: S608
        case 3 | 4:
            connection.execute(ADD_EVENTS)
        case 5:
            connection.execute(f"DELETE FROM events WHERE {SOME.format('events')}", [somewhere, number])  # noqa: S608


def main(database_url: str, seed: str) -> None:
    """Run transactions; roll some of them back."""
    rng = random.Random(seed)  # noqa: S311
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET deadlock_timeout = '50ms'")
        while True:
            with connection.transaction(force_rollback=rng.random() < 0.2):
                for _ in range(rng.randint(1, 6)):
                    change(connection, rng)


if __name__ == "__main__":
    main(*sys.argv[1:])
