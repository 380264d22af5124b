"""The logs of the workers of a soak, as the test reads them while it runs."""

import json
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

Record = dict[str, Any]
OK, CONFLICT = 200, 409


def is_operators(job_id: str) -> bool:
    """Return whether the operator may change this job, too: one of sixteen."""
    return job_id[-1] == "0"


class WorkerLogs:
    """All records of the workers whose logs are in a folder."""

    def __init__(self, folder: Path) -> None:
        self.records: list[Record] = []
        #: The jobs whose completion was acknowledged, in this order.
        self.completed: dict[str, None] = {}
        self._folder = folder
        self._offsets: dict[Path, int] = defaultdict(int)
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Read what the workers have written since the last call."""
        with self._lock:
            for file in self._folder.glob("*.jsonl"):
                with file.open("rb") as log:
                    log.seek(self._offsets[file])
                    complete = log.read().rpartition(b"\n")[0]
                if complete:
                    self._offsets[file] += len(complete) + 1
                    self._add([json.loads(line) for line in complete.split(b"\n")])

    def _add(self, records: list[Record]) -> None:
        self.records += records
        for each in records:
            if each["kind"] == "reported" and (each["status"], each["code"]) == ("completed", OK):
                self.completed[each["job"]] = None


def held_by(log: Path) -> dict[str, str]:
    """Return the jobs that a worker has and has not begun to report, with their tokens."""
    held: dict[str, str] = {}
    for line in log.read_bytes().splitlines() if log.exists() else ():
        record = json.loads(line)
        if record["kind"] == "claimed":
            held[record["job"]] = record["token"]
        elif record["kind"] == "reporting" or record.get("code") == CONFLICT:
            held.pop(record["job"], None)
    return held
