"""The order of a start: see the package's own description."""

import os
import shutil
import sys
from pathlib import Path

from django.conf import settings

from kyros import secret_key
from kyros.run import banner, data_dir, embedded_valkey, ports, prepare_process
from kyros.run.supervisor import supervise


def launch() -> int:
    """Start the service and run it until a signal ends it; return the exit status of that signal.

    Raises:
        LaunchError: the service cannot start, or one of its processes ended by itself.
        ImproperlyConfigured: a setting cannot be read.
        SystemExit: the preparation failed and said why.
    """
    _load_settings()
    data_dir.create(settings.KYROS_DATA_DIR)
    with data_dir.locked(settings.KYROS_DATA_DIR, banner.service_url()):
        ports.require_free(settings.HOST, settings.PORT)
        return _run()


def _load_settings() -> None:
    """Load the settings; make and keep a secret key if that is all they lack."""
    try:
        settings.SECRET_KEY  # noqa: B018 - the first look loads them
    except secret_key.MissingKeyError as missing:
        data_dir.create(missing.file.parent)
        secret_key.create(missing.file)


def _run() -> int:
    server = None if settings.CACHE_CONFIGURED else embedded_valkey.configure(settings.KYROS_DATA_DIR)
    prepared = prepare_process.run_in_process({**os.environ, **_preparation_environment(server)})
    # Counts of processes that have ended; those to come start from nothing.
    shutil.rmtree(settings.METRICS_DIR, ignore_errors=True)
    announced = banner.Banner(password=prepared.password, cache=_cache(server))
    return supervise(
        {**os.environ, **_process_environment(server)},
        without=_without(server),
        on_started=announced.when_ready,
    )


def _without(server: embedded_valkey.CacheServer | None) -> frozenset[str]:
    """Return the processes of the Procfile that this configuration does not need."""
    # The keeper is needed without a cache, too: it keeps the outbox small. The worker's tasks come by way of
    # the cache server.
    without = set() if server else {"cache"}
    return frozenset(without if settings.CACHE_ENABLED else {*without, "worker"})


def _preparation_environment(server: embedded_valkey.CacheServer | None) -> dict[str, str]:
    """Return the variables by which the preparation differs from the service it prepares."""
    environment = {"DB_POOL_MAX_SIZE": "0"}  # one connection is enough, and tells at once if it is refused
    if server:
        # The server to come starts empty, so nothing in it can be outdated by what is written before.
        environment["REDIS_URL"] = "none"
    return environment


def _process_environment(server: embedded_valkey.CacheServer | None) -> dict[str, str]:
    """Return the variables that the Procfile's commands, and the settings in their processes, read."""
    environment = {
        # The programs of this virtual environment come first, whether or not it is activated.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "kyros.settings",
        "HOST": settings.HOST,
        "PORT": str(settings.PORT),
        "WEB_WORKERS": str(settings.WEB_WORKERS or _cores()),
        "STATIC_ROOT": str(settings.STATIC_ROOT),
    }
    if server:
        environment |= {
            "CACHE_PROGRAM": str(server.program),
            "CACHE_CONFIGURATION": str(server.configuration),
            "REDIS_URL": server.url,
        }
    return environment


def _cores() -> int:
    """Return how many processors this process may use, which a container or taskset may restrict."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cache(server: embedded_valkey.CacheServer | None) -> str:
    if server:
        return f"on, a server of its own in {server.configuration.parent}"
    return "on, the server that the settings name" if settings.CACHE_ENABLED else "off"
