"""The orchestrator's own rules, and how the report runs them: they may query the database."""

from collections.abc import Iterator

import pytest
from django.conf import LazySettings
from django.db import connection

from monitoring import registry
from monitoring.cache_report import CacheHealth
from monitoring.findings import Finding
from monitoring.registry import MonitoredApp, Rule
from monitoring.report import database_report
from monitoring.report_data import DatabaseReport
from orchestrator.models import Job
from orchestrator.monitoring_config import token_lifetimes

EMPTY = DatabaseReport(cache=CacheHealth("disabled"))


@pytest.mark.engine_neutral
@pytest.mark.parametrize(("access", "ids"), [(10, []), (11, ["settings:tokens"])])
def test_access_tokens_may_not_outlive_refresh_tokens(access: int, ids: list[str], settings: LazySettings):
    settings.JWT_ACCESS_MINUTES, settings.JWT_REFRESH_MINUTES = access, 10
    assert [finding.id for finding in token_lifetimes(EMPTY)] == ids


@pytest.mark.engine_neutral
def test_the_lifetime_that_is_recommended_can_be_set(settings: LazySettings):
    settings.JWT_ACCESS_MINUTES, settings.JWT_REFRESH_MINUTES = 10_080, 1440
    (finding,) = token_lifetimes(EMPTY)
    assert finding.action == "JWT_REFRESH_MINUTES=525600"


def many_jobs(_: DatabaseReport) -> Iterator[Finding]:
    if number := Job.objects.count():
        yield Finding("jobs:many", "warning", "There are jobs", {"jobs": number}, "Delete jobs")


def broken(_: DatabaseReport) -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM no_such_table")
    yield Finding("jobs:none", "warning", "", {}, "")


def report_with(monkeypatch: pytest.MonkeyPatch, *rules: Rule) -> DatabaseReport:
    monkeypatch.setattr(registry, "_monitored_app", MonitoredApp(rules=rules))
    return database_report(plans=False)


@pytest.mark.django_db(transaction=True)
def test_a_rule_may_query_the_database(monkeypatch: pytest.MonkeyPatch):
    Job.objects.create(name="j")
    (finding,) = (each for each in report_with(monkeypatch, many_jobs).findings if each.id == "jobs:many")
    assert finding.evidence == {"jobs": 1}


@pytest.mark.django_db(transaction=True)
def test_a_rule_whose_query_fails_is_reported_and_the_others_apply(monkeypatch: pytest.MonkeyPatch):
    Job.objects.create(name="j")
    report = report_with(monkeypatch, broken, many_jobs)
    assert report.errors == {"broken": "the database refused this query"}
    assert "jobs:many" in {finding.id for finding in report.findings}
