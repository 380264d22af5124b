"""The steps of a start, in order."""

import os
import shutil
import sys
from contextlib import nullcontext
from pathlib import Path

from django.conf import settings

from kyros import embedded_cache, secret_key
from kyros.run import banner, data_dir, embedded_valkey, ports, prepare_process, sqlite_files
from kyros.run.supervisor import supervise


def launch() -> int:
    """Start the service and run it until a signal ends it; return the exit status of that signal.

    Raises:
        LaunchError: the service cannot start, or one of its processes ended by itself.
        ImproperlyConfigured: a setting is invalid.
        SystemExit: the preparation failed and has printed the reason.
    """
    os.umask(0o077)  # every process of the service creates files for its owner only
    _load_settings()
    data_dir.create(settings.KYROS_DATA_DIR)
    with data_dir.locked(settings.KYROS_DATA_DIR, banner.service_url()) as lock:
        data_dir.make_private([settings.KYROS_DATA_DIR, *sqlite_files.paths()])
        ports.require_free(settings.HOST, settings.PORT)
        ports.require_free(settings.HOST, settings.STREAM_PORT, "STREAM_PORT")
        try:
            return _run(lock)
        finally:
            sqlite_files.checkpoint()


def _load_settings() -> None:
    """Load the settings; create a secret key if only that is missing."""
    try:
        settings.SECRET_KEY  # noqa: B018 - reading one setting loads them all
    except secret_key.MissingKeyError as missing:
        data_dir.create(missing.file.parent)
        secret_key.create(missing.file)


def _run(lock: int) -> int:
    server = None if settings.CACHE_CONFIGURED else embedded_valkey.configure(settings.KYROS_DATA_DIR)
    prepared = prepare_process.run_in_process({**os.environ, **_preparation_environment(server)})
    # Metrics of the processes of an earlier start; new processes count from zero.
    shutil.rmtree(settings.METRICS_DIR, ignore_errors=True)
    shown = banner.Banner(password=prepared.password, cache=_cache(server))
    with embedded_cache.published(settings.KYROS_DATA_DIR, server.url) if server else nullcontext():
        return supervise(
            {**os.environ, **_process_environment(server)},
            lock=lock,
            without=_without(server, has_demo=prepared.has_demo),
            on_started=shown.print_when_ready,
        )


def _without(server: embedded_valkey.EmbeddedServer | None, *, has_demo: bool) -> frozenset[str]:
    """Return the processes of the Procfile that this configuration does not need."""
    # The relay also runs without a cache: it keeps the outbox small. The worker gets its tasks through the
    # cache server.
    without = set() if server else {"cache"}
    without |= set() if settings.CACHE_ENABLED else {"worker"}
    without |= set() if has_demo and settings.DEMO_JOBS and settings.DEMO_WORKERS else {"demo_workers"}
    return frozenset(without)


def _preparation_environment(server: embedded_valkey.EmbeddedServer | None) -> dict[str, str]:
    """Return the environment variables of the preparation that differ from those of the service."""
    environment = {"DB_POOL_MAX_SIZE": "0"}  # one connection is enough; without a pool it fails at once
    if server:
        # The embedded server is not running yet and starts empty, so there is nothing to invalidate.
        environment["REDIS_URL"] = "none"
    return environment


def _process_environment(server: embedded_valkey.EmbeddedServer | None) -> dict[str, str]:
    """Return the environment variables that the Procfile's commands and their settings read."""
    environment = {
        # The programs of this virtual environment come first, even if it is not activated.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "kyros.settings",
        "HOST": settings.HOST,
        "PORT": str(settings.PORT),
        "STREAM_PORT": str(settings.STREAM_PORT),
    }
    if server:
        environment |= {
            "CACHE_PROGRAM": str(server.program),
            "CACHE_CONFIGURATION": str(server.configuration),
            "REDIS_URL": server.url,
        }
    return environment


def _cache(server: embedded_valkey.EmbeddedServer | None) -> str:
    if server:
        return f"embedded server in {server.configuration.parent}"
    return "the server of REDIS_URL or REDIS_HOST" if settings.CACHE_ENABLED else "off"
