"""`make bench`: its arguments, its report, and load on the real web server. The figures are not tested."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks import load
from benchmarks.__main__ import main
from benchmarks.load import RequestSpec, run_load
from benchmarks.suite_report import Goal, Sample, SuiteReport
from benchmarks.testbed import ROOT
from orchestrator.models import Job
from tests.users import PASSWORD, make_user, sign_in

#: The bundled client, and wrk where it is installed.
load_generators = pytest.mark.parametrize(
    "wrk", [None, load.WRK] if load.WRK else [None], ids=lambda wrk: "wrk" if wrk else "bundled client"
)


@pytest.fixture
def measure(web, transactional_db):
    """Send one request again and again to the web server, as a signed-in user."""
    user = make_user("bench")
    port = int(web(workers=1).rpartition(":")[2])
    token = sign_in(user, PASSWORD)._credentials["HTTP_AUTHORIZATION"]  # noqa: SLF001

    def measure(path, method="GET", body="", **headers):
        headers = {"Authorization": token, "Content-Type": "application/json", **headers}
        return run_load(port, RequestSpec(path, method, headers, body), seconds=0.3, connections=2)

    return measure


@load_generators
@pytest.mark.sqlite
def test_responses_are_measured_and_an_error_response_ends_the_run(measure, monkeypatch, wrk) -> None:
    monkeypatch.setattr(load, "WRK", wrk)
    for result in (
        measure("/api/v1/jobs/?limit={n}&limit=1", **{"If-None-Match": "*"}),
        measure("/api/v1/jobs/", "POST", '{"name": "x"}'),
    ):
        assert result.requests > 0
        assert result.requests_per_second > 0
        assert 0 < result.p50_ms <= result.p99_ms
    with pytest.raises(RuntimeError, match="GET /api/v1/nothing/ failed"):
        measure("/api/v1/nothing/")


@pytest.mark.engine_neutral
@pytest.mark.slow
def test_the_plain_model_has_the_columns_of_the_job_table() -> None:
    """Plain DRF must not have fewer columns to serialize than the service."""
    script = (
        "import django, json; django.setup(); from benchmarks.rivals.models import Job;"
        "print(json.dumps([field.column for field in Job._meta.concrete_fields]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "benchmarks.rivals.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    shown = {field.column for field in Job._meta.concrete_fields} - {"due", "lease_token"}
    assert set(json.loads(done.stdout)) == shown


@pytest.mark.engine_neutral
def test_a_report_is_a_table_and_a_list_of_goals() -> None:
    sample = Sample([2.0, 1000.0, 3.0])
    report = SuiteReport(
        "Speed",
        ("variant", "requests/s"),
        [("service", "3"), ("plain", sample.spread())],
        [
            Goal.for_median("ratio", sample.ratio_to(Sample([1.0, 400.0, 1.0])), 2),
            Goal("ms", 6, 5, at_most=True),
        ],
    )
    assert str(report).splitlines() == [
        "Speed",
        "",
        "| variant | requests/s |",
        "| ------- | ---------- |",
        "| service |          3 |",
        "| plain   | 2 to 1,000 |",
        "",
        "- ratio: 2.5 (2 to 3), at least 2: met",
        "- ms: 6, at most 5: NOT MET",
    ]
    assert [goal["met"] for goal in json.loads(json.dumps(report.as_dict()))["goals"]] == [True, False]


@pytest.mark.engine_neutral
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "speed"], "'speed' is not a suite; choose from lists, writes"),
        (["--rounds", "0"], "--rounds must be at least 1"),
        (["--seconds", "much"], "invalid float value: 'much'"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_wrong_arguments_are_refused_before_any_server_starts(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
    with pytest.raises(SystemExit) as refused:
        main()
    assert refused.value.code == 2
    assert message in capsys.readouterr().err
