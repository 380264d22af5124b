"""Runs the benchmarks: `python -m benchmarks --rounds 5 --seconds 4`, as `make bench` does."""

import argparse
import json
import shlex
import sys
import time
from pathlib import Path

from benchmarks import load, machine
from benchmarks.options import Options
from benchmarks.suites import SUITES
from benchmarks.testbed import Testbed

RESULTS = Path(__file__).with_name("results")


def main() -> int:
    """Run the chosen suites, print their tables, and write all measurements to a file."""
    arguments = _arguments()
    options = Options(arguments.rounds, arguments.seconds, arguments.jobs, arguments.big)
    run = {
        "machine": machine.describe(shlex.join(sys.argv)),
        "client": "wrk" if load.WRK else "benchmarks.load_client",
    }
    print(json.dumps(run, indent=2))
    reports = {}
    for name in arguments.only or SUITES:
        began = time.monotonic()
        with Testbed() as testbed:
            report = SUITES[name](testbed, options)
        reports[name] = report.as_dict()
        print(f"\n## {name} ({time.monotonic() - began:.0f} s)\n\n{report}", flush=True)
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    file.write_text(json.dumps({**run, "suites": reports}, indent=1), encoding="utf-8")
    print(f"\nAll measurements: {file}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure the service next to other ways to build it."
    )
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each variant")
    parser.add_argument("--seconds", type=float, default=4, help="duration of one measurement")
    parser.add_argument("--jobs", type=int, default=100_000, help="rows in the jobs table")
    parser.add_argument("--only", type=_suites, default=[], help=f"suites to run, of {','.join(SUITES)}")
    parser.add_argument("--big", action="store_true", help="grow the tables to ten million jobs")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.seconds <= 0 or arguments.jobs < 1000:  # noqa: PLR2004
        parser.error("--rounds must be at least 1, --seconds above 0, --jobs at least 1000")
    return arguments


def _suites(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    if unknown := [name for name in names if name not in SUITES]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not a suite; choose from {', '.join(SUITES)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
