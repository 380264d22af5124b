"""The cache server behind TLS and as an ACL user: all that the service and its worker need, and no more."""

import os
import re
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import Celery
from django.conf import settings
from django.core.management import call_command
from rest_framework.test import APIClient

from kyros import connection_urls
from monitoring.models import TableSnapshot
from orchestrator.cache import client as cache_client
from orchestrator.cache.wakeups import Listener
from orchestrator.models import Event, Job
from tests.cache.assertions import cache_status_once, warm
from tests.cache.tcp_proxy import TcpProxy
from tests.polling import wait_until
from tests.servers.child_process import ChildProcess
from tests.servers.valkey import ValkeyServer
from tests.servers.web import HOST, free_port, procfile

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres, pytest.mark.slow]

LIST = "/api/v1/jobs/"
TIMEOUTS = "socket_timeout=1&socket_connect_timeout=1"


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A throw-away certificate for localhost, and its key."""
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    kind = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    output = ["-out", files[0], "-keyout", files[1]]
    subprocess.run(["openssl", *kind, *name, *output], check=True, capture_output=True)
    return files


@pytest.fixture
def acl_server(valkey_server: Callable[..., ValkeyServer], tmp_path: Path) -> ValkeyServer:
    """A server with the files of ``deploy/redis``; the tests' own user has all rights."""
    files = settings.BASE_DIR / "deploy" / "redis"
    config = dict(
        re.findall(r"(?m)^([a-z][\w-]+) (.+)$", (files / "valkey.conf").read_text(encoding="utf-8"))
    )
    users = (files / "users.acl").read_text(encoding="utf-8")
    file = tmp_path / "users.acl"
    file.write_text(
        re.sub(r"(?m)^user default off$", "user default on nopass ~* &* +@all", users), encoding="utf-8"
    )
    return valkey_server({**config, "save": "", "port": str(free_port()), "aclfile": str(file)})


def url_of(server: ValkeyServer) -> str:
    return f"redis://kyros:CHANGE-ME@{HOST}:{server.config['port']}/0?{TIMEOUTS}"


@pytest.fixture
def worker(database_url: str, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """A function that starts the worker on a cache server, and waits for the result of a task."""
    processes: list[ChildProcess] = []

    def start(url: str) -> None:
        (tmp_path / "data").mkdir()
        env = {
            "REDIS_URL": url,
            "DATABASE_URL": database_url,
            "KYROS_DATA_DIR": str(tmp_path / "data"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        command = ["/bin/sh", "-c", procfile("worker")]
        processes.append(ChildProcess(command, tmp_path / "worker.log", env={**os.environ, **env}))
        full = connection_urls.cache_url(url)
        client = Celery(broker=connection_urls.broker_url(full))
        client.conf.broker_use_ssl = connection_urls.broker_tls(full) or None
        client.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
        client.send_task("monitoring.tasks.snapshot_tables")
        wait_until(lambda: TableSnapshot.objects.count() == 4, 60, what="the worker's snapshots")

    yield start
    for process in processes:
        process.close()


def write_and_read(client: APIClient) -> None:
    job = Job.objects.create(name="a job")
    path = f"{LIST}{job.pk}/"
    for priority in (1, 2):
        warm(client, LIST, path)
        assert client.patch(path, {"priority": priority}).status_code == 200
        assert client.get(path).json()["priority"] == priority


def test_the_acl_user_may_do_all_that_the_service_needs(
    acl_server: ValkeyServer,
    use_cache: Callable[[str], None],
    as_user: APIClient,
    worker: Callable[[str], None],
):
    use_cache(url_of(acl_server))
    write_and_read(as_user)
    call_command("cache_audit", json=True)
    with pytest.raises(SystemExit) as ended:
        call_command("cache_health", json=True)
    assert ended.value.code == 0

    woken = threading.Event()
    listener = Listener(woken.set)
    listener.start()
    wait_until(lambda: listener.listening, what="the listener")
    woken.clear()
    Event.objects.create(type="something", payload={})
    wait_until(woken.is_set, what="a wake-up")
    listener.stop()

    worker(url_of(acl_server))
    assert acl_server.execute("ACL", "LOG") == [], "the user was denied something"


@pytest.mark.parametrize(
    "command", ["CONFIG GET maxmemory", "KEYS *", "FLUSHALL", "GET other:key", "SUBSCRIBE other"]
)
def test_the_acl_user_may_do_no_more(
    command: str, acl_server: ValkeyServer, use_cache: Callable[[str], None]
):
    use_cache(url_of(acl_server))
    with pytest.raises(cache_client.CacheUnavailable, match=r"(?i)permission"):
        cache_client.current().call(lambda redis_client: redis_client.execute_command(*command.split()))


class TlsProxy(TcpProxy):
    """A proxy that speaks TLS with its clients."""

    def __init__(self, target: Path, certificate: tuple[Path, Path]) -> None:
        super().__init__(target)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        self._listener = context.wrap_socket(
            self._listener,
            server_side=True,
            do_handshake_on_connect=False,  # a client that refuses it must not end the loop
        )

    def url_with(self, certificate: Path) -> str:
        """Return the URL for clients that trust a certificate."""
        port = self._listener.getsockname()[1]
        return f"rediss://localhost:{port}/0?ssl_ca_certs={certificate}&{TIMEOUTS}"


def test_the_service_and_the_worker_speak_tls(
    valkey_server: Callable[..., ValkeyServer],
    certificate: tuple[Path, Path],
    use_cache: Callable[[str], None],
    as_user: APIClient,
    worker: Callable[[str], None],
):
    with TlsProxy(valkey_server().socket, certificate) as proxy:
        url = proxy.url_with(certificate[0])
        use_cache(url)
        write_and_read(as_user)
        worker(url)


def test_a_certificate_that_nobody_vouches_for_is_refused(
    valkey_server: Callable[..., ValkeyServer],
    certificate: tuple[Path, Path],
    use_cache: Callable[[str], None],
    as_user: APIClient,
):
    with TlsProxy(valkey_server().socket, certificate) as proxy:
        use_cache(f"rediss://localhost:{proxy.url.rsplit(':', 1)[1]}?{TIMEOUTS}")
        assert cache_status_once(as_user, LIST) == "BYPASS"
        with pytest.raises(cache_client.CacheUnavailable, match=r"(?i)certificate"):
            cache_client.current().call(lambda redis_client: redis_client.ping())
