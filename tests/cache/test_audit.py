"""The audit tells stale responses from current ones, and from those that it cannot compare."""

import io
import json
from collections.abc import Callable

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from rest_framework.test import APIClient

from orchestrator import background
from orchestrator.api.replay import replay
from orchestrator.cache import audit, client, metrics
from orchestrator.cache.audit import Replayed, Verdict
from orchestrator.cache.relay import StopRequest
from orchestrator.models import Job
from tests.cache.assertions import warm
from tests.servers.valkey import ValkeyServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("long_lease")]

LIST = "/api/v1/jobs/"
KEY = f"http://testserver{LIST}"


@pytest.fixture(autouse=True)
def _private_cache(own_cache: Callable[..., ValkeyServer]) -> None:
    own_cache()


def replay_with_other_body(key: str) -> Replayed | None:
    """Run a request as if the database had changed without an invalidation."""
    replayed = replay(key)
    return replayed and Replayed(replayed.spec, b"another body")


@pytest.mark.parametrize(
    ("run", "verdict"),
    [
        (replay, Verdict.EQUAL),
        (replay_with_other_body, Verdict.STALE),
        (lambda key: None, Verdict.GONE),
    ],
    ids=["current", "stale", "no response"],
)
def test_verdict(run: audit.Replay, verdict: Verdict, as_user: APIClient):
    warm(as_user, LIST)

    report = audit.audit([KEY], run)

    assert report.verdicts == {each.value: int(each is verdict) for each in Verdict}
    assert report.stale == ((KEY,) if verdict is Verdict.STALE else ())


@pytest.mark.parametrize(
    "bad",
    [
        f"http://other.example{LIST}",
        f"{KEY}?{'a=1&' * 2000}",
        f"http://testserver:999999{LIST}",
        "http://[",
        "http://testserver/\0\udcff",
        "user 0",
        "",
        "x" * 100_000,
    ],
    ids=lambda key: key[:30],
)
def test_a_bad_key_does_not_end_the_audit(bad: str, as_user: APIClient):
    warm(as_user, LIST)
    assert audit.audit([bad, KEY], replay).verdicts == {"equal": 1, "stale": 0, "gone": 1}


def test_a_failed_replay_does_not_end_the_audit(as_user: APIClient):
    warm(as_user, LIST)
    calls = []

    def fail_once(key: str) -> Replayed | None:
        calls.append(key)
        if len(calls) == 1:
            raise OperationalError("the database restarts")
        return replay(key)

    assert audit.audit([KEY, KEY], fail_once).verdicts == {"equal": 1, "stale": 0, "gone": 1}


def test_a_response_that_is_replaced_during_the_comparison_is_gone(as_user: APIClient):
    warm(as_user, LIST)
    calls = []

    def replay_and_replace(key: str) -> Replayed | None:
        calls.append(key)
        if len(calls) == 2:
            Job.objects.create(name="invalidates")
            warm(as_user, LIST)
        return replay_with_other_body(key)

    assert audit.audit([KEY], replay_and_replace).verdicts["gone"] == 1


def test_the_keys_of_cached_responses_are_listed(as_user: APIClient):
    warm(as_user, LIST, f"{LIST}?limit=1")

    keys = set(audit.cached_keys(client.current(), None))

    assert keys >= {KEY, f"{KEY}?limit=1"}
    assert len(list(audit.cached_keys(client.current(), 1))) == 1


def run_command(**options: object) -> dict[str, object]:
    output = io.StringIO()
    call_command("cache_audit", json=True, stdout=output, **options)
    report: dict[str, object] = json.loads(output.getvalue())
    return report


def test_the_command_reports_current_responses(as_user: APIClient):
    warm(as_user, LIST)

    report = run_command()

    assert report["verdicts"]["equal"] >= 1  # type: ignore[index]
    assert (report["stale"], report["error"]) == ([], None)


def test_the_command_exits_with_1_for_a_stale_response(as_user: APIClient, monkeypatch: pytest.MonkeyPatch):
    warm(as_user, LIST)
    monkeypatch.setattr(background, "replay", replay_with_other_body)

    with pytest.raises(SystemExit) as ended:
        run_command()

    assert ended.value.code == 1


def test_the_command_exits_with_1_if_it_compared_nothing(
    as_user: APIClient, own_cache: Callable[..., ValkeyServer], capsys: pytest.CaptureFixture[str]
):
    own_cache().kill()

    with pytest.raises(SystemExit) as ended:
        call_command("cache_audit")

    assert ended.value.code == 1
    output = capsys.readouterr().out
    assert output.startswith("Nothing was compared: ")
    assert "stale" not in output


def test_the_command_has_nothing_to_compare_if_the_cache_is_off(
    settings: LazySettings, capsys: pytest.CaptureFixture[str]
):
    settings.CACHE_URL = None
    call_command("cache_audit")
    assert capsys.readouterr().out == "Nothing was compared: the cache is off.\n"


@pytest.mark.parametrize("value", ["0", "-1", "abc", "1.5"])
def test_the_command_refuses_a_sample_that_is_not_a_number_from_1(value: str):
    with pytest.raises(CommandError, match=r"argument --sample: .* allowed: a whole number from 1"):
        call_command("cache_audit", f"--sample={value}")


class OneRound(StopRequest):
    """Lets the live audit do one round."""

    def __init__(self) -> None:
        self._waits = iter((False, True))

    def wait(self, seconds: float) -> bool:
        return next(self._waits)


@pytest.mark.postgres
def test_the_live_audit_goes_on_after_its_connection_was_lost(as_user: APIClient):
    warm(as_user, LIST)
    compared: list[Replayed | None] = []

    def lose_connection(key: str) -> Replayed | None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return None

    def compare(key: str) -> Replayed | None:
        compared.append(replay(key))
        return compared[-1]

    for run in (lose_connection, compare):
        metrics.sample(KEY)
        metrics.count("audit", "sampled")
        metrics.flush(client.current())
        audit.audit_live(client.current(), run, OneRound())

    assert compared
    assert compared[0] is not None
