"""Submit a job, and follow it: `jobs.py submit NAME`, `jobs.py follow ID`. See `--help` of both."""

import argparse
import json
from typing import Any

from kyros_client import ApiError, Client

ENDED_STATUSES = ("completed", "failed", "cancelled")


def submit(client: Client, *, name: str, **fields: Any) -> int:
    """Create a job and print its id."""
    print(client.submit(name, **{field: value for field, value in fields.items() if value is not None})["id"])
    return 0


def follow(client: Client, *, job_id: str) -> int:
    """Print a job's events until it has ended; return 0 if it is completed."""
    for event in client.follow(job_id):
        to, details = event["payload"].get("to"), json.dumps(event["payload"], ensure_ascii=False)
        print(event["created_at"], event["type"], details, flush=True)
        if to in ENDED_STATUSES:
            return 0 if to == "completed" else 1
    return 1


def main() -> int:
    """Run the program; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("submit", help="create a job and print its id")
    command.add_argument("name")
    command.add_argument("--queue")
    command.add_argument("--priority", type=int)
    command.add_argument("--metadata", type=json.loads, help="a JSON object")
    command.add_argument("--key", help="calls with the same key create one job")
    command.set_defaults(run=submit)
    command = commands.add_parser("follow", help="print a job's events until it has ended")
    command.add_argument("job_id")
    command.set_defaults(run=follow)
    options = vars(parser.parse_args())
    run = options.pop("run")
    try:
        return int(run(Client.from_environment(), **options))
    except (ApiError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
