"""What the cache knew last, while the database is silent: on the keeper's word, if nothing changed."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from orchestrator.auth import cached_users
from orchestrator.cache import keys, server, silence
from orchestrator.cache.silence import Silence
from orchestrator.choices import Role
from orchestrator.models import User
from tests.servers.valkey import ValkeyServer
from tests.users import make_user, sign_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("long_lease")]

WORD = "{kyros}:silence"

#: What nobody looks at from then on, so that nothing is known of it.
CHANGES: dict[str, Callable[[User], Any]] = {
    "updated": lambda user: User.objects.filter(pk=user.pk).update(active=False),
    "deleted": lambda user: User.objects.filter(pk=user.pk).delete(),
    "all deleted": lambda user: User.objects.all().delete(),
}
TROUBLES: dict[str, Callable[[ValkeyServer], None]] = {
    "down": ValkeyServer.kill,
    "emptied": ValkeyServer.flush,
    "restarted": ValkeyServer.restart,
    "restored": lambda cache: cache.restart(cache.save()),
}


def give_word(cache: ValkeyServer) -> None:
    cache.execute("SET", WORD, "1")


def delete(cache: ValkeyServer, pattern: str) -> None:
    found = cache.execute("KEYS", pattern)
    assert found, pattern
    cache.execute("DEL", *found)


class TestAccount:
    @pytest.fixture
    def signed_in(self, moderator: User) -> User:
        sign_in(moderator)
        return moderator

    def test_is_known_on_the_keepers_word_alone(self, signed_in: User, valkey: ValkeyServer):
        assert cached_users.last_known(signed_in.pk) is None
        give_word(valkey)
        known = cached_users.last_known(signed_in.pk)
        assert known is not None
        assert (known.id, known.role) == (signed_in.pk, Role.MODERATOR)

    def test_of_somebody_who_never_signed_in_is_not(self, valkey: ValkeyServer):
        never = User.objects.bulk_create([User(username="never", email="never@example.com")])[0]
        give_word(valkey)
        assert cached_users.last_known(never.pk) is None

    def test_is_known_for_as_long_as_the_token_is_good(self, signed_in: User, valkey: ValkeyServer, settings):
        give_word(valkey)
        delete(valkey, "*:e:*")  # as if its time were over
        assert cached_users.last_known(signed_in.pk) is not None
        (copy,) = valkey.execute("KEYS", "*:l:*")
        assert valkey.execute("PTTL", copy) > settings.JWT_ACCESS_MINUTES * 60_000

    def test_is_what_the_last_save_made_of_it(self, signed_in: User, valkey: ValkeyServer):
        signed_in.role, signed_in.active = Role.USER, False
        signed_in.save()
        give_word(valkey)
        known = cached_users.last_known(signed_in.pk)
        assert known is not None
        assert (known.role, known.active) == (Role.USER, False)

    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
    def test_is_not_known_after_a_change_that_nobody_looked_at(
        self, change: Callable[[User], Any], signed_in: User, valkey: ValkeyServer
    ):
        change(signed_in)
        give_word(valkey)
        assert cached_users.last_known(signed_in.pk) is None

    def test_is_not_known_while_a_change_is_under_way(
        self, signed_in: User, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
    ):
        known: list[Any] = []
        give_word(valkey)
        committed = connection._end_write  # noqa: SLF001

        def look_then_end(write: Any) -> None:
            known.append(cached_users.last_known(signed_in.pk))
            committed(write)

        monkeypatch.setattr(connection, "_end_write", look_then_end)
        User.objects.filter(pk=signed_in.pk).update(active=False)
        assert known == [None]

    @pytest.mark.parametrize("lost", ["*:epoch", "*:g:user:*", "*:g:users:bulk", "*:l:*"])
    def test_is_not_known_where_a_key_is_lost(self, lost: str, signed_in: User, valkey: ValkeyServer):
        give_word(valkey)
        delete(valkey, lost)
        assert cached_users.last_known(signed_in.pk) is None

    @pytest.mark.parametrize("field", ["stamp", "etag", "seal", "body"])
    def test_is_not_known_where_somebody_forged_it(self, field: str, signed_in: User, valkey: ValkeyServer):
        give_word(valkey)
        (copy,) = valkey.execute("KEYS", "*:l:*")
        valkey.execute("HSET", copy, field, "forged")
        cached_users.reads.bodies.kept.clear()
        assert cached_users.last_known(signed_in.pk) is None

    @pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
    def test_is_not_known_by_a_server_in_trouble(
        self, trouble: Callable[[ValkeyServer], None], own_cache: Callable[..., ValkeyServer], moderator: User
    ):
        cache = own_cache()
        sign_in(moderator)
        give_word(cache)
        assert cached_users.last_known(moderator.pk) is not None
        trouble(cache)
        assert cached_users.last_known(moderator.pk) is None


@pytest.mark.parametrize("way", ["login", "refresh"])
def test_signing_in_makes_known(way: str, api: APIClient, valkey: ValkeyServer):
    user = make_user("ada")
    tokens = api.post("/auth/login/", {"username": "ada", "password": "correct horse battery staple"}).json()
    if way == "refresh":
        delete(valkey, "*:e:*")
        delete(valkey, "*:l:*")
        assert api.post("/auth/refresh/", {"refresh_token": tokens["refresh_token"]}).status_code == 200
    give_word(valkey)
    assert cached_users.last_known(user.pk) is not None


class Rounds:
    """An event to stop for that lets some rounds pass, without a pause."""

    def __init__(self, left: int = 3) -> None:
        self._left = left

    def wait(self, _: float) -> bool:
        self._left -= 1
        return self._left < 0


class TestWord:
    """By a clock that the test moves."""

    @pytest.fixture
    def now(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
        moment = [1000.0]
        monkeypatch.setattr(silence, "time", SimpleNamespace(monotonic=lambda: moment[0]))
        monkeypatch.setattr(keys, "LEASE", 0.12)

        def move(seconds: float) -> None:
            moment[0] = 1000.0 + seconds

        return move

    @pytest.fixture
    def keeper(self, now: Callable[[float], None]) -> Silence:
        """What a keeper knows that has found the outbox empty at 0."""
        known = Silence(server.current())
        known.drained(1000.0)
        return known

    def word_stands(self, keeper: Silence, valkey: ValkeyServer) -> bool:
        keeper.tell(Rounds())
        return bool(valkey.execute("EXISTS", WORD))

    def test_is_given_of_a_question_that_waits(self, keeper: Silence, now, valkey: ValkeyServer):
        now(0.03)
        with keeper.question():
            now(0.2)
            assert self.word_stands(keeper, valkey)
            now(200)
            assert self.word_stands(keeper, valkey)
            assert 0 < valkey.execute("PTTL", WORD) <= silence.WORD * 1000

    def test_is_not_given_while_a_lease_is_enough(self, keeper: Silence, now, valkey: ValkeyServer):
        now(0.03)
        with keeper.question():
            now(0.06)
            assert not self.word_stands(keeper, valkey)

    def test_is_not_given_of_a_question_that_was_answered(self, keeper: Silence, now, valkey: ValkeyServer):
        now(0.03)
        with keeper.question():
            """Which is answered."""
        now(0.2)
        assert not self.word_stands(keeper, valkey)

    @pytest.mark.parametrize("seconds", [0.1, 0.13, 10])
    def test_is_not_given_of_a_question_that_came_too_late(
        self, seconds: float, keeper: Silence, now, valkey: ValkeyServer
    ):
        now(seconds)
        with keeper.question():
            now(20)
            assert not self.word_stands(keeper, valkey)

    def test_is_not_given_where_nothing_was_ever_drained(self, now, valkey: ValkeyServer):
        keeper = Silence(server.current())
        with keeper.question():
            now(20)
            assert not self.word_stands(keeper, valkey)

    def test_needs_no_server_to_be_there(self, keeper: Silence, now, own_cache: Callable[..., ValkeyServer]):
        cache = own_cache()
        keeper = Silence(server.current())
        keeper.drained(1000.0)
        cache.kill()
        with keeper.question():
            now(0.2)
            keeper.tell(Rounds())
