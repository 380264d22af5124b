"""Which users may no longer follow the stream: one query for all that do."""

from collections.abc import Iterable

from orchestrator.auth.cached_users import password_fingerprint
from orchestrator.models import User
from orchestrator.stream.access import Access


def lost(accesses: Iterable[Access]) -> frozenset[Access]:
    """Return the rights that have ended.

    They end when the token or session expires, the user is deactivated or deleted, or the password changes.
    """
    accesses = frozenset(accesses)
    active = User.objects.filter(pk__in={each.user_id for each in accesses}, active=True)
    fingerprints = {user.pk: password_fingerprint(user) for user in active.only("id", "password")}
    return frozenset(
        each
        for each in accesses
        if each.expired or fingerprints.get(each.user_id) != each.password_fingerprint
    )
