"""Who may no longer follow the stream: one query for the users and one for the sessions of all clients."""

from collections.abc import Iterable

from django.contrib.sessions.models import Session
from django.utils import timezone

from orchestrator.auth.cached_users import password_fingerprint
from orchestrator.models import User
from orchestrator.stream.access import Access


def lost(accesses: Iterable[Access]) -> frozenset[Access]:
    """Return the rights that have ended.

    They end when the token or session expires, the session signs out, the user is deactivated or deleted, or
    the password changes.
    """
    accesses = frozenset(accesses)
    active = User.objects.filter(pk__in={each.user_id for each in accesses}, active=True)
    fingerprints = {user.pk: password_fingerprint(user) for user in active.only("id", "password")}
    sessions = _open_sessions({each.session_key for each in accesses if each.session_key})
    return frozenset(
        each
        for each in accesses
        if each.expired
        or fingerprints.get(each.user_id) != each.password_fingerprint
        or (each.session_key and each.session_key not in sessions)
    )


def _open_sessions(keys: set[str]) -> set[str]:
    """Return the keys of the sessions that go on. A sign-out deletes the row; a key keeps its user."""
    if not keys:
        return set()
    found = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    return set(found.values_list("session_key", flat=True))
