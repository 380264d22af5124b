"""System checks of `manage.py check --deploy`."""

from typing import Any, Final

from django.conf import settings
from django.core import checks

#: Bytes that cannot be guessed, if they are random.
_MIN_TOKEN_BYTES: Final = 16


@checks.register(checks.Tags.security, deploy=True)
def metrics_token_is_long(**_: Any) -> list[checks.CheckMessage]:
    """Warn about a METRICS_TOKEN that is short enough to be guessed."""
    token = settings.METRICS_TOKEN
    if token is None or len(token.encode()) >= _MIN_TOKEN_BYTES:
        return []
    return [
        checks.Warning(
            f"METRICS_TOKEN has less than {_MIN_TOKEN_BYTES} bytes.",
            hint="Set it to random text, such as that of: openssl rand -hex 32",
            id="monitoring.W001",
        )
    ]
