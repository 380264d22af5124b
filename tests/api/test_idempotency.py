"""A request that is repeated with its Idempotency-Key is carried out once."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from orchestrator import actions
from orchestrator.limits import IDEMPOTENCY_KEY_SECONDS, MAX_BATCH_JOBS
from orchestrator.models import Event, Job, User
from orchestrator.submission import idempotency
from orchestrator.submission.idempotency import IdempotencyKey
from orchestrator.submission.jobs import submit
from tests.http_client import HttpClient, Response
from tests.polling import wait_until
from tests.users import client_for, make_user

pytestmark = pytest.mark.django_db

JOBS = "/api/v1/jobs/"
BULK = "/api/v1/jobs/bulk/"
BODY = {"name": "Index documents", "priority": 5, "metadata": {"a": 1, "b": 2}}
BATCH = {"jobs": [{"name": f"job {n}"} for n in range(3)]}
REPEATS = 20


def post(client, body=BODY, key="key", path=JOBS):
    return client.post(path, body, headers={"Idempotency-Key": key})


def keys():
    """Return the number of stored keys."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM idempotency_keys")
        return cursor.fetchone()[0]


# --- Repeats, one after another -----------------------------------------------------------------------------


def test_a_repeat_gets_the_job_as_it_is_now_and_creates_nothing(as_user):
    first = post(as_user)
    assert first.status_code == 201
    as_user.put(f"{JOBS}{first.json()['id']}/status/", {"status": "running"})
    before = (Job.objects.count(), Event.objects.count())
    again = post(as_user)
    assert again.status_code == 200
    current = as_user.get(f"{JOBS}{first.json()['id']}/")
    assert again.json() == current.json()
    assert again["ETag"] == current["ETag"]
    assert (current.json()["status"], Job.objects.count(), Event.objects.count()) == ("running", *before)


def test_a_repeated_batch_gets_its_jobs_in_order(as_user):
    first, again = (post(as_user, BATCH, path=BULK) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert [job["name"] for job in again.json()["jobs"]] == ["job 0", "job 1", "job 2"]
    assert Job.objects.count() == 3


def test_the_order_of_keys_and_white_space_do_not_make_another_request(as_user):
    first = post(as_user)
    text = '{ "metadata": {"b": 2, "a": 1},\n "priority": 5, "name": "Index documents" }'
    again = as_user.post(JOBS, text, content_type="application/json", headers={"Idempotency-Key": "key"})
    assert (again.status_code, again.json()) == (200, first.json())


@pytest.mark.parametrize(
    "body",
    [
        {**BODY, "priority": 6},
        {**BODY, "metadata": {"a": 1.0, "b": 2}},
        {**BODY, "metadata": {"a": True, "b": 2}},
        {"name": BODY["name"]},
        {**BODY, "unknown": 1},
    ],
    ids=str,
)
def test_the_same_key_with_another_body_is_422(as_user, body):
    post(as_user)
    response = post(as_user, body)
    assert response.status_code == 422
    assert "Idempotency-Key" in response.json()["detail"]
    assert Job.objects.count() == Event.objects.count() == 1


def test_the_same_key_and_body_at_another_url_is_422(as_user):
    assert post(as_user, {**BODY, **BATCH}).status_code == 201
    assert post(as_user, {**BODY, **BATCH}, path=BULK).status_code == 422
    assert Job.objects.count() == 1


def test_other_keys_and_other_users_have_their_own_jobs(as_user):
    other = client_for(make_user("other"))
    responses = [post(as_user), post(as_user, key="Key"), post(other), as_user.post(JOBS, BODY)]
    assert [response.status_code for response in responses] == [201] * 4
    assert Job.objects.count() == 4


@pytest.mark.parametrize("path", [JOBS, BULK])
def test_a_repeat_after_a_job_was_deleted_is_410(as_user, path):
    post(as_user, {**BODY, **BATCH}, path=path)
    actions.delete_job(Job.objects.first().pk, by="somebody")
    left = Job.objects.count()
    response = post(as_user, {**BODY, **BATCH}, path=path)
    assert response.status_code == 410
    assert "deleted" in response.json()["detail"]
    assert Job.objects.count() == left


def test_a_refused_request_stores_nothing(as_user):
    for path, body in ((JOBS, {**BODY, "priority": "high"}), (BULK, {"jobs": []}), (BULK, {"jobs": [{}]})):
        assert post(as_user, body, path=path).status_code == 400
    assert keys() == 0
    assert post(as_user).status_code == 201


@pytest.mark.one_engine
@pytest.mark.parametrize("key", ["", "a b", "a\tb", "ä", "x" * 256, " x"], ids=ascii)
def test_an_invalid_key_is_400_and_names_the_header(as_user, key):
    response = post(as_user, key=key)
    assert response.status_code == 400
    assert list(response.json()) == ["Idempotency-Key"]
    assert not Job.objects.exists()


@pytest.mark.one_engine
def test_a_key_may_have_255_characters_of_any_visible_kind(as_user):
    for key in ("x" * 255, "!~'\"%;\\"):
        assert [post(as_user, key=key).status_code for _ in range(2)] == [201, 200]


def test_only_a_digest_of_the_body_is_stored(as_user):
    post(as_user, {"name": "a secret", "metadata": {"token": "a secret"}})
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM idempotency_keys")
        assert "secret" not in str(cursor.fetchall())


def test_a_key_that_is_deleted_during_a_repeat_is_new(as_user):
    def delete_first(execute, sql, parameters, many, context):
        if sql == idempotency._SELECT and keys():  # noqa: SLF001 - the statement at which it happens
            context["cursor"].execute("DELETE FROM idempotency_keys")
        return execute(sql, parameters, many, context)

    post(as_user)
    with connection.execute_wrapper(delete_first):
        assert post(as_user).status_code == 201
    assert Job.objects.count() == 2


# --- Expiry -------------------------------------------------------------------------------------------------


@pytest.fixture
def age():
    """A function that makes all stored keys older by some seconds."""

    def make_older(seconds):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE idempotency_keys SET created_at = created_at - %s", [seconds])

    return make_older


def test_a_key_is_kept_for_a_day(as_user, age):
    first = post(as_user)
    age(IDEMPOTENCY_KEY_SECONDS - 60)
    assert post(as_user).status_code == 200
    age(60)
    second = post(as_user, {**BODY, "name": "another"})
    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]
    assert post(as_user, {**BODY, "name": "another"}).json() == second.json()
    assert keys() == 1


def test_expired_keys_are_deleted_in_batches(as_user, age, monkeypatch, capsys):
    monkeypatch.setattr(idempotency, "_PRUNE_BATCH", 2)
    for number in range(5):
        post(as_user, key=f"old{number}")
    age(IDEMPOTENCY_KEY_SECONDS)
    post(as_user, key="new")
    call_command("prune_idempotency_keys", json=True)
    assert capsys.readouterr().out.split() == ["{", '"deleted":', "5", "}"]
    assert keys() == 1
    assert post(as_user, key="new").status_code == 200
    call_command("prune_idempotency_keys")
    assert capsys.readouterr().out == "Deleted 0 expired idempotency keys.\n"


# --- Repeats at the same time -------------------------------------------------------------------------------


def repeated_at_once(client: HttpClient, path: str, body: dict[str, Any]) -> list[Response]:
    """Send one request ``REPEATS`` times at the same time; return the responses."""
    together = threading.Barrier(REPEATS)

    def send(_: int) -> Response:
        together.wait()
        return client.post(path, body)

    with ThreadPoolExecutor(REPEATS) as pool:
        return list(pool.map(send, range(REPEATS)))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("path", "body"), [(JOBS, BODY), (BULK, BATCH)])
def test_repeats_at_the_same_time_create_once(web, user: User, path, body):
    client = HttpClient(web(workers=2)).sign_in("user")
    client.headers["Idempotency-Key"] = "key"
    responses = repeated_at_once(client, path, body)
    assert Counter(response.status for response in responses) == {201: 1, 200: REPEATS - 1}
    assert len({response.text for response in responses}) == 1
    created = len(body.get("jobs", [body]))
    assert (Job.objects.count(), Event.objects.count()) == (created, created)


@pytest.mark.django_db(transaction=True)
def test_repeats_of_a_large_batch_get_it_or_a_503_and_may_try_again(web, user: User):
    """On PostgreSQL a repeat that waits too long for the first request does not hold its thread."""
    client = HttpClient(web(workers=2)).sign_in("user")
    client.headers["Idempotency-Key"] = "key"
    batch = {"jobs": [{"name": f"job {number}"} for number in range(MAX_BATCH_JOBS)]}
    responses = repeated_at_once(client, BULK, batch)
    refused = [response for response in responses if response.status == 503]
    assert all(int(response.headers["Retry-After"]) >= 1 for response in refused)
    served = [response for response in responses if response not in refused]
    assert Counter(response.status for response in served) <= Counter({201: 1, 200: REPEATS})
    again = wait_until(lambda: (response := client.post(BULK, batch)).status == 200 and response)
    assert {response.text for response in served} <= {again.text}
    assert Job.objects.count() == Event.objects.count() == MAX_BATCH_JOBS


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("commits", [True, False])
def test_a_repeat_waits_for_the_first_transaction(web, user: User, commits):
    """If the first is rolled back, the repeat creates the job."""
    client = HttpClient(web(workers=1)).sign_in("user")
    client.headers["Idempotency-Key"] = "key"
    key = IdempotencyKey(user.pk, "key", idempotency.digest_of(JOBS, BODY))
    responses = []
    repeat = threading.Thread(target=lambda: responses.append(client.post(JOBS, BODY)))
    with transaction.atomic():
        (job,), is_new = submit([BODY], by="user", key=key)
        assert is_new
        repeat.start()
        if connection.vendor == "postgresql":
            wait_until(_somebody_waits_for_a_transaction, what="the repeat to wait")
        assert not responses
        transaction.set_rollback(not commits)
    repeat.join()
    (response,) = responses
    assert response.status == (200 if commits else 201), response.text
    assert Job.objects.count() == Event.objects.count() == 1
    assert response.json()["id"] == str(Job.objects.get().pk)
    assert (response.json()["id"] == str(job.pk)) is commits


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_only_some_threads_wait_long_for_the_first_transaction(web, user: User):
    client = HttpClient(web(workers=1, env={"DB_POOL_TIMEOUT": "60"})).sign_in("user")
    client.headers["Idempotency-Key"] = "key"
    key = IdempotencyKey(user.pk, "key", idempotency.digest_of(JOBS, BODY))
    responses = []
    repeats = [threading.Thread(target=lambda: responses.append(client.post(JOBS, BODY))) for _ in range(3)]
    with transaction.atomic():
        submit([BODY], by="user", key=key)
        for repeat in repeats:
            repeat.start()
        wait_until(lambda: len(responses) == len(repeats) - 1, what="the repeats that do not wait long")
        assert [(each.status, each.headers["Retry-After"]) for each in responses] == [(503, "1")] * 2
    for repeat in repeats:
        repeat.join()
    assert responses[-1].status == client.post(JOBS, BODY).status == 200
    assert Job.objects.count() == 1


def _somebody_waits_for_a_transaction():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted")
        return cursor.fetchone()[0] > 0
