"""The run: `python -m benchmarks --rounds 5 --seconds 5`; `make bench` says it."""

import argparse
import json
import shlex
import sys
import time
from pathlib import Path

from benchmarks import load, machine
from benchmarks.options import Options
from benchmarks.suites import SUITES
from benchmarks.testbed import Lab

RESULTS = Path(__file__).with_name("results")


def main() -> int:
    """Run the suites that were asked for, print what they found and write it to a file."""
    arguments = _arguments()
    options = Options(arguments.rounds, arguments.seconds, arguments.jobs, arguments.big)
    document = {
        "machine": machine.describe(shlex.join(sys.argv)),
        "client": "wrk" if load.WRK else "benchmarks.load_client",
        "suites": {},
    }
    print(json.dumps({name: value for name, value in document.items() if name != "suites"}, indent=2))
    for name in arguments.only or SUITES:
        began = time.monotonic()
        with Lab() as lab:
            report = SUITES[name](lab, options)
        document["suites"][name] = report.document()
        print(f"\n## {name} ({time.monotonic() - began:.0f} s)\n\n{report}", flush=True)
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    file.write_text(json.dumps(document, indent=1), encoding="utf-8")
    print(f"\nAll that was measured is in {file}.")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the service beside others.")
    parser.add_argument("--rounds", type=int, default=5, help="how often each variant is measured")
    parser.add_argument("--seconds", type=float, default=4, help="how long each time")
    parser.add_argument("--jobs", type=int, default=100_000, help="jobs in the table")
    parser.add_argument("--only", type=_suites, default=[], help=f"some of {','.join(SUITES)}")
    parser.add_argument("--big", action="store_true", help="let the tables grow to ten million jobs")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.seconds <= 0 or arguments.jobs < 1000:  # noqa: PLR2004
        parser.error("at least one round, some seconds, a thousand jobs")
    return arguments


def _suites(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    if unknown := [name for name in names if name not in SUITES]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(SUITES)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
