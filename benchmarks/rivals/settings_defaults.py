"""Settings of a new Django project, for the comparison of writes: connections have no pool and no options."""

from benchmarks.rivals.settings_startproject import *  # noqa: F403
from benchmarks.rivals.settings_startproject import DATABASES

_SERVICE = DATABASES["default"]
DATABASES = {
    "default": {
        **{
            name: _SERVICE[name]
            for name in ("ENGINE", "NAME", "USER", "PASSWORD", "PORT")
            if name in _SERVICE
        },
        "HOST": _SERVICE.get("HOST") or _SERVICE.get("OPTIONS", {}).get("host", ""),
    }
}
