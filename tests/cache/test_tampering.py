"""An entry that was changed in the cache server is a miss: no error, and no other user's role."""

import json

import psycopg
import pytest
from django.db import connection
from rest_framework.test import APIClient

from orchestrator.auth import cached_users
from orchestrator.cache import client, keys, local_entries, lookup, signing, tags
from orchestrator.choices import Role
from orchestrator.models import Job, User
from tests.cache.assertions import cache_status, uncached_body, warm
from tests.servers.valkey import ValkeyServer
from tests.users import PASSWORD, make_user, sign_in

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("long_lease"),
    pytest.mark.one_engine,
]

LIST = "/api/v1/jobs/"
ME = "/api/v1/users/me/"
GARBAGE = (b"", b"\0\xff", b"!", b"0" * 32, b"\xc3\x28", b"x" * 100_000)
KINDS: dict[str, tuple[bytes | str, ...]] = {
    "a string": ("SET", b"x"),
    "a list": ("RPUSH", b"x"),
    "a set": ("SADD", b"x"),
    "a hash": ("HSET", b"x", b"y"),
    "a sorted set": ("ZADD", "99999999999999", b"x"),
    "a stream": ("XADD", "*", b"x", b"y"),
}


@pytest.fixture(autouse=True)
def _no_local_entries(db: None) -> None:
    local_entries.entries.clear()


def key_names(valkey: ValkeyServer, pattern: str) -> list[bytes]:
    with valkey.client() as client:
        return sorted(client.scan_iter(pattern))


def entry_of_list(valkey: ValkeyServer) -> bytes:
    with valkey.client() as client:
        (entry,) = (
            name for name in client.scan_iter("*:e:*") if client.hget(name, "key").endswith(LIST.encode())
        )
        return bytes(entry)


def put(valkey: ValkeyServer, key: bytes | str, kind: str) -> None:
    command, *values = KINDS[kind]
    valkey.execute("DEL", key)
    valkey.execute(command, key, *values)


def assert_current(client: APIClient, path: str) -> None:
    local_entries.entries.clear()
    response = client.get(path)
    assert response.status_code == 200, response.content
    assert response.content == uncached_body(client, path)


@pytest.mark.parametrize("field", ["version", "etag", "signature", "body"])
def test_an_altered_field_of_an_entry_is_a_miss(field: str, as_user: APIClient, valkey: ValkeyServer):
    for value in GARBAGE:
        warm(as_user, LIST)
        for name in key_names(valkey, "*:e:*"):
            valkey.execute("HSET", name, field, value)
        local_entries.entries.clear()

        assert cache_status(as_user, LIST) == "MISS", value[:8]
        assert_current(as_user, LIST)


@pytest.mark.parametrize("field", ["version", "etag", "signature"])
def test_an_altered_field_of_a_locally_verified_entry_is_a_miss(
    field: str, as_user: APIClient, valkey: ValkeyServer
):
    warm(as_user, LIST)
    assert cache_status(as_user, LIST) == "HIT"

    valkey.execute("HSET", entry_of_list(valkey), field, b"0" * 32)

    assert cache_status(as_user, LIST) == "MISS"


def test_an_old_entry_with_a_new_version_is_a_miss(as_user: APIClient, valkey: ValkeyServer):
    """Even in a process that has verified the old entry."""
    warm(as_user, LIST)
    entry = entry_of_list(valkey)
    digest = entry.decode().rpartition(":")[2]
    with valkey.client() as client:
        old, known = client.hgetall(entry), local_entries.entries.get(digest)
        Job.objects.create(name="x")
        warm(as_user, LIST)
        version = client.hget(entry, "version")
        client.hset(entry, mapping={**old, b"version": version})
    assert known
    local_entries.entries.keep(digest, known)

    assert cache_status(as_user, LIST) == "MISS"
    assert len(as_user.get(LIST).json()["results"]) == 1


def test_an_entry_without_one_of_its_fields_is_a_miss(as_user: APIClient, valkey: ValkeyServer):
    for field in ("version", "etag", "signature", "body"):
        warm(as_user, LIST)
        for name in key_names(valkey, "*:e:*"):
            valkey.execute("HDEL", name, field)
        assert_current(as_user, LIST)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pattern", ["*:e:*", "*:g:*", "*:w:*", "*:epoch", "*:s:*", "*:audit"])
@pytest.mark.slow
def test_keys_of_a_wrong_type_do_no_harm(pattern: str, kind: str, as_user: APIClient, valkey: ValkeyServer):
    job = Job.objects.create(name="x")
    paths = (LIST, f"{LIST}{job.pk}/")
    warm(as_user, *paths)
    made = key_names(valkey, pattern) or [
        pattern.replace("*", "{kyros}", 1).replace("*", tag).encode()
        for tag in ("jobs", "jobs:status:pending", f"job:{job.pk.hex}", "total")
    ]

    for name in made:
        put(valkey, name, kind)

    for path in paths:
        assert_current(as_user, path)
    job.priority = 9
    job.save()
    for path in paths:
        assert_current(as_user, path)


@pytest.mark.sqlite
@pytest.mark.postgres
@pytest.mark.parametrize("kind", KINDS)
def test_a_writers_key_of_a_wrong_type_hides_no_change_made_in_sql(
    kind: str, as_user: APIClient, valkey: ValkeyServer, database_url: str
):
    """The relay must not take a value of another type for a writer that never ends."""
    Job.objects.create(name="x")
    warm(as_user, LIST)
    put(valkey, keys.writers(tags.JOBS), kind)

    execute_outside_django(database_url, "UPDATE jobs SET priority = 5")
    client.current().lease._until = 0.0  # noqa: SLF001

    assert_current(as_user, LIST)
    assert as_user.get(LIST).json()["results"][0]["priority"] == 5


def execute_outside_django(database_url: str, statement: str) -> None:
    if connection.vendor == "postgresql":
        with psycopg.connect(database_url, autocommit=True) as other:
            other.execute(statement)
    else:
        connection.ensure_connection()
        connection.connection.execute(statement)


def test_swapped_entries_are_never_served(as_user: APIClient, as_moderator: APIClient, valkey: ValkeyServer):
    warm(as_user, ME, LIST)
    warm(as_moderator, ME, LIST, "/api/v1/users/")
    entries = key_names(valkey, "*:e:*")
    dumps = [valkey.execute("DUMP", name) for name in entries]
    for shift in range(1, len(entries)):
        for number, name in enumerate(entries):
            dump = dumps[(number + shift) % len(entries)]
            valkey.execute("RESTORE", name, 60_000, dump, "REPLACE")

        assert as_user.get("/api/v1/users/").status_code == 403
        assert as_user.get(ME).json()["username"] == "user"
        assert as_moderator.get(ME).json()["username"] == "moderator"
        assert_current(as_user, LIST)


def test_a_forged_cached_user_gets_no_role(as_user: APIClient, user: User, valkey: ValkeyServer):
    warm(as_user, ME)
    entry = keys.entry(cached_users.cache_spec(user.pk).digest)
    original = valkey.execute("HGET", entry, "body")
    forged = json.dumps({**json.loads(original), "role": Role.ADMIN}).encode()

    valkey.execute("HSET", entry, "body", forged, "etag", signing.etag_of(forged))
    local_entries.entries.clear()

    assert as_user.get("/api/v1/users/").status_code == 403
    assert as_user.post("/api/v1/users/", {}).status_code == 403
    assert as_user.get(ME).json()["role"] == "user"


def test_a_copied_cached_user_gets_no_role(as_user: APIClient, user: User, valkey: ValkeyServer):
    admin = make_user("boss", Role.ADMIN)
    warm(sign_in(admin), ME)
    warm(as_user, ME)
    boss, own = (keys.entry(cached_users.cache_spec(each.pk).digest) for each in (admin, user))

    valkey.execute("COPY", boss, own, "REPLACE")
    local_entries.entries.clear()

    assert as_user.get("/api/v1/users/").status_code == 403
    assert as_user.get(ME).json()["username"] == "user"


def dumped(valkey: ValkeyServer, names: tuple[str, ...]) -> dict[str, bytes]:
    """Return the values of the keys that exist, as ``RESTORE`` takes them."""
    found = {name: valkey.execute("DUMP", name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def test_a_restored_cached_user_does_not_get_the_former_role(valkey: ValkeyServer):
    boss = make_user("boss", Role.ADMIN)
    client = sign_in(boss)
    warm(client, LIST)
    job = Job.objects.create(name="a job")
    spec = cached_users.cache_spec(boss.pk)
    before = dumped(valkey, spec.keys)
    User.objects.filter(pk=boss.pk).update(role=Role.USER)

    def put_back() -> None:
        for key, held in before.items():
            valkey.execute("RESTORE", key, 60_000, held, "REPLACE")
        (found,) = lookup.look_up(spec)
        assert found.body
        assert cached_users.from_bytes(found.body).role is Role.ADMIN, "the attack failed"

    put_back()
    assert client.get("/api/v1/users/").status_code == 403
    put_back()
    assert client.post("/api/v1/users/", {"username": "other", "password": PASSWORD}).status_code == 403
    put_back()
    assert client.delete(f"/api/v1/jobs/{job.pk}/").status_code == 403
    put_back()
    assert client.get("/monitoring/cache/health").status_code == 403


def test_a_restored_cached_user_may_not_write_again(valkey: ValkeyServer):
    someone = make_user("someone")
    client = sign_in(someone)
    warm(client, LIST)
    spec = cached_users.cache_spec(someone.pk)
    before = dumped(valkey, spec.keys)
    User.objects.filter(pk=someone.pk).update(active=False)

    for key, held in before.items():
        valkey.execute("RESTORE", key, 60_000, held, "REPLACE")

    assert client.post(LIST, {"name": "x"}).status_code == 401
    assert not Job.objects.exists()


def test_nothing_in_the_cache_is_secret_or_pickled(
    as_moderator: APIClient, moderator: User, valkey: ValkeyServer
):
    warm(as_moderator, ME, "/api/v1/users/", LIST)
    password = User.objects.get(pk=moderator.pk).password.encode()
    with valkey.client() as client:
        for name in client.scan_iter("*"):
            held = client.dump(name)
            assert password not in held
            assert b"scrypt" not in held
            assert b"\x80\x04\x95" not in held, "a pickle"
