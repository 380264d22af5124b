"""What `make bench` measures with, on the real web server. What it finds is no matter of tests."""

import json
import subprocess
import sys

import pytest

from benchmarks import load
from benchmarks.load import Request, drive
from benchmarks.suite_report import Goal, Report, Sample
from benchmarks.testbed import ROOT
from tests.people import PASSWORD, make_user, sign_in

#: Our own client, and wrk on a machine that has it.
clients = pytest.mark.parametrize(
    "wrk", [None, load.WRK] if load.WRK else [None], ids=lambda wrk: "wrk" if wrk else "own client"
)


@pytest.fixture
def ask(web, transactional_db):
    user = make_user("bench")
    address = web(workers=1)
    token = sign_in(user, PASSWORD)._credentials["HTTP_AUTHORIZATION"]  # noqa: SLF001

    def ask(path, method="GET", body="", **headers):
        headers = {"Authorization": token, "Content-Type": "application/json", **headers}
        port = int(address.rpartition(":")[2])
        return drive(port, Request(path, method, headers, body), seconds=1, connections=2)

    return ask


@clients
@pytest.mark.sqlite
def test_a_server_is_driven(ask, monkeypatch, wrk) -> None:
    monkeypatch.setattr(load, "WRK", wrk)
    for found in (
        ask("/api/v1/jobs/"),
        ask("/api/v1/jobs/?n={n}&limit=1"),
        ask("/api/v1/jobs/", "POST", '{"name": "x"}'),
    ):
        assert found.per_second > 0
        assert 0 < found.p50 <= found.p99


@clients
@pytest.mark.sqlite
def test_an_answer_that_is_no_success_ends_the_run(ask, monkeypatch, wrk) -> None:
    monkeypatch.setattr(load, "WRK", wrk)
    with pytest.raises(RuntimeError, match="GET /api/v1/nothing/ failed"):
        ask("/api/v1/nothing/")


@pytest.mark.engine_neutral
def test_a_report_is_a_table_and_what_was_to_be_reached() -> None:
    sample = Sample([2.0, 1000.0, 3.0])
    report = Report(
        "Speed",
        ("what", "per s"),
        [("ours", "3"), ("theirs", sample.spread())],
        [Goal.of("ratio", sample.over(Sample([1.0, 400.0, 1.0])), 2), Goal("ms", 6, 5, at_most=True)],
    )
    assert str(report).splitlines() == [
        "Speed",
        "",
        "| what   |      per s |",
        "| ------ | ---------- |",
        "| ours   |          3 |",
        "| theirs | 2 to 1,000 |",
        "",
        "- ratio: 2.5 (2 to 3), at least 2: reached",
        "- ms: 6, at most 5: NOT REACHED",
    ]
    assert [goal["reached"] for goal in json.loads(json.dumps(report.document()))["goals"]] == [True, False]


@pytest.mark.engine_neutral
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "speed"], "'speed' is none of lists, writes"),
        (["--rounds", "0"], "at least one round"),
        (["--seconds", "much"], "invalid float value: 'much'"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_wrong_arguments_are_refused_before_anything_starts(arguments, message) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert message in done.stderr
